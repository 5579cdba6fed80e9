"""weights -> folds -> ONNX in fp16 -> decision gate.

The gate runs the graph on ONNX Runtime's CPU provider, whatever machine exports it, and some prompts in numpy with
every rounding to fp16. What a GPU gives is for `vibe-router verify --engine onnx-cuda` there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vibe_router.engines.onnx.cpu import OnnxCpuEngine
from vibe_router.errors import EngineError, ParityError
from vibe_router.policy import sigmoid
from vibe_router_export.checkpoint.weights import ModernBertWeights
from vibe_router_export.emit.numpy.half import evaluate_half
from vibe_router_export.emit.onnx.file import write_onnx
from vibe_router_export.emit.onnx.half import build_half_precision_onnx
from vibe_router_export.emit.quantize import Precision
from vibe_router_export.fold.half_precision import HalfPrecisionFolds, choose_peak_scale, fold_for_half_precision
from vibe_router_export.observe.residual_scale import measured_norm_inputs
from vibe_router_export.proof.parity import HALF_PRECISION_P_DIFFERENCE, Case, gate
from vibe_router_export.recipes.low_precision import LowPrecisionExporter, LowPrecisionFile

# Numpy is slow; these many prompts, the shortest and the longest among them, show an overflow.
_ROUNDED_PROMPTS = 8
_HINT = "nothing was written; this checkpoint does not survive fp16 as it is"


def export_half_precision(exporter: LowPrecisionExporter, path: Path, *, file: str) -> LowPrecisionFile:
    """Write a graph in fp16 to `path`; `file` is its name in the bundle.

    Raises:
        ParityError: it does not decide as the reference does, p_cloud is too far off, or numbers overflow.
    """
    cases = exporter.cases
    peak = measured_norm_inputs(exporter.weights, [case.ids for case in cases]).peak
    folds = HalfPrecisionFolds(residual_scale=choose_peak_scale(peak))
    weights = fold_for_half_precision(exporter.weights, folds)
    write_onnx(build_half_precision_onnx(weights, max_tokens=exporter.max_tokens), path)
    _check_roundings(weights, _some(cases), temperature=exporter.temperature)
    engine = OnnxCpuEngine(path, file=file, precision=Precision.FP16.value, pad_token_id=weights.config.pad_token_id)
    try:
        report = exporter.judge(engine, cases)
    except EngineError as error:
        raise ParityError(f"in fp16, {error.message}", hint=_HINT) from error
    finally:
        engine.close()
    gate(report, exporter.limits, temperature=exporter.temperature)
    return LowPrecisionFile(Precision.FP16, file, report, ())


def _check_roundings(weights: ModernBertWeights, cases: Sequence[Case], *, temperature: float) -> None:
    """Compare with the reference what is left after every rounding to fp16."""
    for case in cases:
        row = case.ids[None]
        logit = float(evaluate_half(weights, row, np.ones_like(row))[0])
        if not np.isfinite(logit):
            raise ParityError(f"a prompt of {len(case.ids)} tokens overflows in fp16", hint=_HINT)
        difference = abs(sigmoid(logit) - sigmoid(case.logit / temperature))
        if difference > HALF_PRECISION_P_DIFFERENCE:
            raise ParityError(
                f"p_cloud of a prompt of {len(case.ids)} tokens is {difference:.1e} off where every number is rounded "
                f"to fp16; at most {HALF_PRECISION_P_DIFFERENCE:.0e} is allowed",
                hint=_HINT,
            )


def _some(cases: Sequence[Case]) -> list[Case]:
    by_length = sorted(cases, key=lambda case: len(case.ids))
    return [by_length[place] for place in np.linspace(0, len(cases) - 1, _ROUNDED_PROMPTS).astype(int)]
