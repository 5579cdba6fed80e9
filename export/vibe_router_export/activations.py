"""Observe what flows into each linear layer: where a model's massive activations are."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vibe_router_export.emit.numpy_values import NumpyOperations, Values
from vibe_router_export.modernbert import forward
from vibe_router_export.weights import Linear, ModernBertWeights


@dataclass(frozen=True)
class _Observer(NumpyOperations):
    inputs: dict[str, Values] = field(default_factory=dict)

    def linear(self, x: Values, layer: Linear) -> Values:
        self.inputs[layer.weight.name] = x
        return super().linear(x, layer)


def linear_inputs(
    weights: ModernBertWeights, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]
) -> dict[str, Values]:
    """Run the numpy forward pass and return each linear's input by the name of its weight.

    Inputs are float32 [batch, sequence, width] ([batch, width] in the head); ids and mask int64 [batch, sequence].
    """
    observer = _Observer(weights.config, input_ids, attention_mask.astype(bool))
    forward(observer, weights)
    return observer.inputs
