"""What each rewrite for fp16 buys: packages of one checkpoint with more and more of them, interpreted in fp16.

    python benchmarks/half_precision_folds.py CHECKPOINT [TOKENS]

Prints a Markdown table. The packages have one length, TOKENS (64 unless given), and run on twelve sequences of random
tokens; differences are against the unfolded checkpoint in fp32 (the numpy emitter).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vibe_router.policy import sigmoid
from vibe_router_export.activations import NormInputs, norm_inputs
from vibe_router_export.checkpoint import read_checkpoint
from vibe_router_export.config import ModernBertConfig
from vibe_router_export.coreml_options import Layout, Target, quiet_coremltools
from vibe_router_export.emit.numpy_values import evaluate
from vibe_router_export.half_precision import HalfPrecisionFolds, choose_residual_scale, fold_for_half_precision
from vibe_router_export.mil_interpreter.arithmetic import Rounding
from vibe_router_export.mil_interpreter.program import InterpretedProgram
from vibe_router_export.weights import ModernBertWeights

SEQUENCES = 12


def main() -> None:
    """Run and print."""
    weights = read_checkpoint(sys.argv[1]).weights
    tokens = int(sys.argv[2]) if len(sys.argv) > 2 else 64
    ids, mask = _sequences(weights.config, tokens)
    reference = evaluate(weights, ids, mask)
    gains = HalfPrecisionFolds(centre=False, rotate=False)
    centred = HalfPrecisionFolds(rotate=False)
    met = norm_inputs(fold_for_half_precision(weights, HalfPrecisionFolds()), ids, mask)
    scale = choose_residual_scale(met.sum_of_squares)
    rows = [
        ("nothing folded", weights),
        ("norm gains, embedding norm, query scale", fold_for_half_precision(weights, gains)),
        ("... and centred", fold_for_half_precision(weights, centred)),
        ("... and rotated", fold_for_half_precision(weights, HalfPrecisionFolds())),
        (f"... and scaled by {scale:g}", fold_for_half_precision(weights, HalfPrecisionFolds(residual_scale=scale))),
        (
            f"scaled by {scale:g}, not rotated",
            fold_for_half_precision(weights, HalfPrecisionFolds(rotate=False, residual_scale=scale)),
        ),
    ]
    _print(
        "| folds | largest channel | largest sum of squares | \\|dlogit\\| in fp32 | \\|dp\\| in fp16 "
        "| \\|dp\\| in pessimistic fp16 |"
    )
    _print("|---|---|---|---|---|---|")
    for name, folded in rows:
        _print(_row(name, folded, norm_inputs(folded, ids, mask), ids, mask, reference))


def _row(
    name: str,
    folded: ModernBertWeights,
    met: NormInputs,
    ids: NDArray[np.int64],
    mask: NDArray[np.int64],
    reference: NDArray[np.float32],
) -> str:
    exact = float(np.abs(evaluate(folded, ids, mask) - reference).max())
    half, pessimistic = _in_half_precision(folded, ids, reference)
    return (
        f"| {name} | {met.peak:,.1f} | {met.sum_of_squares:.3g} | {exact:.1e} | {_show(half)} | {_show(pessimistic)} |"
    )


def _in_half_precision(
    folded: ModernBertWeights, ids: NDArray[np.int64], reference: NDArray[np.float32]
) -> tuple[float, float]:
    """Return the worst |dp| in fp16 and in pessimistic fp16; NaN where a score is not finite."""
    with quiet_coremltools():
        from vibe_router_export.coreml_package import write_packages
    worst = []
    with tempfile.TemporaryDirectory() as folder:
        packages = write_packages(
            folded, Path(folder), lengths=[ids.shape[1]], layout=Layout.ANE, target=Target.MACOS15
        )
        for rounding in (Rounding.HALF, Rounding.PESSIMISTIC):
            program = InterpretedProgram(packages, rounding)
            logits = [program.logit(row[None].astype(np.int32)) for row in ids]
            finite = bool(np.isfinite(logits).all())
            pairs = zip(logits, reference, strict=True)
            worst.append(max(abs(sigmoid(z) - sigmoid(float(r))) for z, r in pairs) if finite else float("nan"))
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


def _show(difference: float) -> str:
    return "not finite" if np.isnan(difference) else f"{difference:.1e}"


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
