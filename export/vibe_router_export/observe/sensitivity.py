"""Which matrices suffer most from low precision: each alone in it, all others exact, and the logits compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vibe_router.progress import Progress, ProgressCallback
from vibe_router_export.checkpoint.weights import ModernBertWeights
from vibe_router_export.emit.numpy.quantized import evaluate_quantized
from vibe_router_export.emit.numpy.values import evaluate
from vibe_router_export.emit.quantize import PrecisionPlan


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
    """Return every matrix of `plan`, largest effect first; ids and mask int64 [batch, sequence]."""
    exact = evaluate(weights, input_ids, attention_mask)
    effects = []
    for done, (name, precision) in enumerate(plan.items(), start=1):
        moved = evaluate_quantized(weights, input_ids, attention_mask, plan={name: precision}) - exact
        effects.append(Sensitivity(name, float(np.sqrt(np.square(moved).mean()))))
        if progress is not None:
            progress(Progress(done, len(plan)))
    return sorted(effects, key=lambda effect: effect.logit_error, reverse=True)
