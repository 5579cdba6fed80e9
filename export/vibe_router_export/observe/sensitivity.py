"""Which matrices suffer most from low precision: each alone in it, all others exact, and the logits compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vibe_router.progress import Progress, ProgressCallback
from vibe_router_export.checkpoint.weights import ModernBertWeights
from vibe_router_export.emit.numpy.quantized import QuantizedOperations, evaluate_quantized
from vibe_router_export.emit.numpy.values import NumpyOperations, Values
from vibe_router_export.emit.quantize import PrecisionPlan, layer_linears
from vibe_router_export.modernbert import embedded, encoded, scored


@dataclass(frozen=True)
class Sensitivity:
    """The root mean square by which one matrix in low precision moves the logit."""

    name: str
    logit_error: float

    def __str__(self) -> str:
        return f"alone it moves the logit by {self.logit_error:.2g} (root mean square)"


def rank_by_effect(
    weights: ModernBertWeights,
    plan: PrecisionPlan,
    input_ids: NDArray[np.int64],
    attention_mask: NDArray[np.int64],
    *,
    progress: ProgressCallback | None,
) -> list[Sensitivity]:
    """Return every matrix of `plan`, largest effect first; ids and mask int64 [batch, sequence].

    What comes before a matrix does not depend on it, and is computed once: that saves half of the time.
    """

    keep = attention_mask.astype(bool)
    exactly = NumpyOperations(weights.config, input_ids, keep)
    inputs = [embedded(exactly, weights)]
    for layer in weights.layers:
        inputs.append(encoded(exactly, weights, layer, inputs[-1]))
    exact = scored(exactly, weights, inputs[-1]).logits[:, 0]
    places = {
        linear.weight.name: place for place, layer in enumerate(weights.layers) for linear in layer_linears(layer)
    }

    def logits(alone: PrecisionPlan, place: int | None) -> Values:
        if place is None:
            return evaluate_quantized(weights, input_ids, attention_mask, plan=alone)
        operations = QuantizedOperations(weights.config, input_ids, keep, alone)
        x = inputs[place]
        for layer in weights.layers[place:]:
            x = encoded(operations, weights, layer, x)
        return scored(operations, weights, x).logits[:, 0]

    effects = []
    for done, (name, precision) in enumerate(plan.items(), start=1):
        moved = logits({name: precision}, places.get(name)) - exact
        effects.append(Sensitivity(name, float(np.sqrt(np.square(moved).mean()))))
        if progress is not None:
            progress(Progress(done, len(plan)))
    return sorted(effects, key=lambda effect: effect.logit_error, reverse=True)
