"""Observe what flows into each linear layer: where a model's massive activations are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vibe_router_export.emit.numpy_values import NumpyOperations, Values
from vibe_router_export.modernbert import forward
from vibe_router_export.weights import Linear, ModernBertWeights

Watch = Callable[[Linear, Values, Values], None]


@dataclass(frozen=True)
class _Observer(NumpyOperations):
    watch: Watch

    def linear(self, x: Values, layer: Linear) -> Values:
        y = super().linear(x, layer)
        self.watch(layer, x, y)
        return y


def watch_linears(
    weights: ModernBertWeights, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64], watch: Watch
) -> None:
    """Run the numpy forward pass and call `watch(layer, input, output)` for each linear layer, in order.

    Ids and mask are int64 [batch, sequence]; input and output float32 [batch, sequence, width] ([batch, width] in
    the head).
    """
    forward(_Observer(weights.config, input_ids, attention_mask.astype(bool), watch), weights)


def linear_inputs(
    weights: ModernBertWeights, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]
) -> dict[str, Values]:
    """Return each linear's input by the name of its weight; arguments and shapes as in `watch_linears`."""
    inputs: dict[str, Values] = {}
    watch_linears(weights, input_ids, attention_mask, lambda layer, x, _: inputs.update({layer.weight.name: x}))
    return inputs
