"""Effect of each rewrite for fp16 on a Core ML package: one checkpoint with more and more of them, interpreted in fp16.

The packages have one length and run on twelve sequences of random tokens; differences are against the unfolded
checkpoint in fp32 (the numpy emitter).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vibe_router.policy import sigmoid
from vibe_router_export.checkpoint.checkpoint import read_checkpoint
from vibe_router_export.checkpoint.config import ModernBertConfig
from vibe_router_export.checkpoint.weights import ModernBertWeights
from vibe_router_export.choices import Layout, Target
from vibe_router_export.emit.coreml.quiet import quiet_coremltools
from vibe_router_export.emit.numpy.values import evaluate
from vibe_router_export.fold.half_precision import HalfPrecisionFolds, choose_residual_scale, fold_for_half_precision
from vibe_router_export.observe.activations import norm_inputs
from vibe_router_export.proof.mil_interpreter.arithmetic import Rounding
from vibe_router_export.proof.mil_interpreter.program import InterpretedProgram

SEQUENCES = 12


@dataclass(frozen=True)
class FoldResult:
    """What one row of the table says; a difference is None where a score was not finite."""

    checkpoint: str
    folds: str
    largest_channel: float
    largest_sum_of_squares: float
    logit_difference_in_fp32: float
    probability_difference: float | None
    pessimistic_probability_difference: float | None


def measure(checkpoint: str, *, tokens: int) -> Iterator[FoldResult]:
    """Yield a result for nothing folded, then for more and more."""
    weights = read_checkpoint(checkpoint).weights
    ids, mask = _sequences(weights.config, tokens)
    reference = evaluate(weights, ids, mask)
    met = norm_inputs(fold_for_half_precision(weights, HalfPrecisionFolds()), ids, mask)
    scale = choose_residual_scale(met.sum_of_squares)
    rows = [
        ("nothing folded", None),
        ("norm gains, embedding norm, query scale", HalfPrecisionFolds(centre=False, rotate=False)),
        ("... and centred", HalfPrecisionFolds(rotate=False)),
        ("... and rotated", HalfPrecisionFolds()),
        (f"... and scaled by {scale:g}", HalfPrecisionFolds(residual_scale=scale)),
        (f"scaled by {scale:g}, not rotated", HalfPrecisionFolds(rotate=False, residual_scale=scale)),
    ]
    for name, folds in rows:
        folded = weights if folds is None else fold_for_half_precision(weights, folds)
        met = norm_inputs(folded, ids, mask)
        half, pessimistic = _in_half_precision(folded, ids, reference)
        yield FoldResult(
            checkpoint=Path(checkpoint).name,
            folds=name,
            largest_channel=met.peak,
            largest_sum_of_squares=met.sum_of_squares,
            logit_difference_in_fp32=float(np.abs(evaluate(folded, ids, mask) - reference).max()),
            probability_difference=half,
            pessimistic_probability_difference=pessimistic,
        )


def _in_half_precision(
    folded: ModernBertWeights, ids: NDArray[np.int64], reference: NDArray[np.float32]
) -> tuple[float | None, float | None]:
    """Return the worst |dp| in fp16 and in pessimistic fp16; None where a score is not finite."""
    with quiet_coremltools():
        from vibe_router_export.emit.coreml.package import write_packages
    worst: list[float | None] = []
    with tempfile.TemporaryDirectory() as folder:
        packages = write_packages(
            folded, Path(folder), lengths=[ids.shape[1]], layout=Layout.ANE, target=Target.MACOS15
        )
        for rounding in (Rounding.HALF, Rounding.PESSIMISTIC):
            program = InterpretedProgram(packages, rounding)
            logits = [program.logit(row[None].astype(np.int32)) for row in ids]
            finite = bool(np.isfinite(logits).all())
            pairs = zip(logits, reference, strict=True)
            worst.append(max(abs(sigmoid(z) - sigmoid(float(r))) for z, r in pairs) if finite else None)
    return worst[0], worst[1]


def _sequences(config: ModernBertConfig, tokens: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    random = np.random.default_rng(0)
    lengths = np.linspace(3, tokens, SEQUENCES).astype(int)
    mask = (np.arange(tokens) < lengths[:, None]).astype(np.int64)
    ids = random.integers(0, config.vocabulary_size, mask.shape)
    ids[ids == config.pad_token_id] = config.sep_token_id
    ids[:, 0] = config.cls_token_id
    ids[mask == 0] = config.pad_token_id
    return ids, mask
