"""Observe what flows into linear layers and norms: where a model's massive activations are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vibe_router_export.checkpoint.weights import LayerNorm, Linear, ModernBertWeights
from vibe_router_export.emit.numpy.values import NumpyOperations, Values
from vibe_router_export.modernbert import forward

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


@dataclass(frozen=True)
class NormInputs:
    """What layer norms meet: the largest magnitude in one channel, the largest sum of squares over one token's."""

    peak: float
    sum_of_squares: float


@dataclass(frozen=True)
class _NormObserver(NumpyOperations):
    seen: list[NormInputs] = field(default_factory=list)

    def layer_norm(self, x: Values, norm: LayerNorm) -> Values:
        self.seen.append(NormInputs(float(np.abs(x).max()), float(np.square(x).sum(axis=-1).max())))
        return super().layer_norm(x, norm)


def norm_inputs(
    weights: ModernBertWeights, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]
) -> NormInputs:
    """Run the numpy forward pass and return the largest inputs of its layer norms, padding included."""
    observer = _NormObserver(weights.config, input_ids, attention_mask.astype(bool))
    forward(observer, weights)
    return NormInputs(max(one.peak for one in observer.seen), max(one.sum_of_squares for one in observer.seen))
