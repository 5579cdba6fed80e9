"""Movement of the scores by fp16 at each length of a multifunction package, interpreted, against PyTorch.

Packages have the lengths 64, 128 and 512, layout `ane`; sequences of random tokens fill each function by five tokens,
by half, and wholly. Needs torch, transformers and coremltools.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vibe_router.policy import sigmoid
from vibe_router_export.checkpoint.checkpoint import Checkpoint
from vibe_router_export.choices import Layout, Precision, Target
from vibe_router_export.emit.coreml.quiet import quiet_coremltools
from vibe_router_export.fold.half_precision import HalfPrecisionFolds, choose_residual_scale, fold_for_half_precision
from vibe_router_export.observe.activations import norm_inputs
from vibe_router_export.proof.mil_interpreter.arithmetic import Rounding
from vibe_router_export.proof.mil_interpreter.program import InterpretedProgram
from vibe_router_export.proof.reference import Reference

LENGTHS = (64, 128, 512)
# What the arithmetic is called, the package's precision, and how it is interpreted.
ARITHMETICS = (
    ("fp32", Precision.FP32, Rounding.EXACT),
    ("fp16", Precision.FP16, Rounding.HALF),
    ("pessimistic fp16", Precision.FP16, Rounding.PESSIMISTIC),
)


@dataclass(frozen=True)
class LengthResult:
    """The worst differences from PyTorch of a function for `tokens` ids, over `sequences`."""

    checkpoint: str
    residual_scale: float
    tokens: int
    arithmetic: str
    sequences: int
    logit_difference: float
    probability_difference: float


def measure(checkpoint: Checkpoint, lengths: Sequence[int] = LENGTHS) -> Iterator[LengthResult]:
    """Yield a result for each length and arithmetic."""
    scale = _residual_scale(checkpoint)
    random = np.random.default_rng(0)
    sequences = {
        tokens: [_sequence(checkpoint, length, random) for length in (5, tokens // 2 + 1, tokens)] for tokens in lengths
    }
    reference = Reference(checkpoint)
    expected = {tokens: [reference.logit(ids.tolist()) for ids in rows] for tokens, rows in sequences.items()}
    del reference
    for precision in Precision:
        with tempfile.TemporaryDirectory() as folder:
            packages = _write(checkpoint, Path(folder), lengths=lengths, precision=precision, scale=scale)
            for name, _, rounding in (row for row in ARITHMETICS if row[1] is precision):
                program = InterpretedProgram(packages, rounding)
                for tokens in lengths:
                    logits = [program.logit(_padded(checkpoint, ids, tokens)) for ids in sequences[tokens]]
                    pairs = list(zip(logits, expected[tokens], strict=True))
                    yield LengthResult(
                        checkpoint=Path(checkpoint.source).name,
                        residual_scale=scale,
                        tokens=tokens,
                        arithmetic=name,
                        sequences=len(pairs),
                        logit_difference=max(abs(got - want) for got, want in pairs),
                        probability_difference=max(abs(sigmoid(got) - sigmoid(want)) for got, want in pairs),
                    )
                program.close()


def _residual_scale(checkpoint: Checkpoint) -> float:
    random = np.random.default_rng(1)
    ids = np.stack([_sequence(checkpoint, 48, random) for _ in range(8)])
    met = norm_inputs(fold_for_half_precision(checkpoint.weights, HalfPrecisionFolds()), ids, np.ones_like(ids))
    return choose_residual_scale(met.sum_of_squares)


def _write(
    checkpoint: Checkpoint, folder: Path, *, lengths: Sequence[int], precision: Precision, scale: float
) -> Sequence[Path]:
    with quiet_coremltools():
        from vibe_router_export.emit.coreml.package import write_packages
    return write_packages(
        fold_for_half_precision(checkpoint.weights, HalfPrecisionFolds(residual_scale=scale)),
        folder,
        lengths=list(lengths),
        layout=Layout.ANE,
        target=Target.MACOS15,
        precision=precision,
    )


def _sequence(checkpoint: Checkpoint, length: int, random: np.random.Generator) -> NDArray[np.int64]:
    config = checkpoint.config
    ids = random.integers(0, config.vocabulary_size, length)
    ids[ids == config.pad_token_id] = config.sep_token_id
    ids[0], ids[-1] = config.cls_token_id, config.sep_token_id
    return ids


def _padded(checkpoint: Checkpoint, ids: NDArray[np.int64], tokens: int) -> NDArray[np.int32]:
    padded = np.full((1, tokens), checkpoint.config.pad_token_id, np.int32)
    padded[0, : len(ids)] = ids
    return padded
