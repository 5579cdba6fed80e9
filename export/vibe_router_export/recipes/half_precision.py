"""Recipe for the ONNX graph in fp16.

The gate runs the graph on ONNX Runtime's CPU provider, whatever machine exports it, and some prompts in numpy with
every number rounded to fp16. `vibe-router verify --engine onnx-cuda` measures the graph on a GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from vibe_router.engines.onnx.cpu import OnnxCpuEngine
from vibe_router.errors import EngineError, ParityError
from vibe_router.policy import sigmoid
from vibe_router_export.checkpoint.weights import ModernBertWeights
from vibe_router_export.choices import Precision
from vibe_router_export.emit.numpy.half import evaluate_half
from vibe_router_export.emit.onnx.file import write_onnx
from vibe_router_export.emit.onnx.half import build_half_precision_onnx
from vibe_router_export.fold.half_precision import (
    HalfPrecisionFolds,
    choose_peak_scale,
    fold_for_half_precision,
    scale_residual,
)
from vibe_router_export.observe.residual_scale import measured_norm_inputs
from vibe_router_export.proof.parity import HALF_PRECISION_P_DIFFERENCE, NOT_IN_HALF_PRECISION, Case, gate
from vibe_router_export.recipes.files import MODEL_FILES
from vibe_router_export.recipes.recipe import RecipeInputs, Tolerance, WrittenFile
from vibe_router_tools.evenly import evenly

# Numpy is slow; this many prompts, the shortest and the longest among them, show an overflow.
_ROUNDED_PROMPTS = 8


@dataclass(frozen=True)
class HalfPrecisionRecipe:
    """The graph for CUDA: products and attention in fp16, the residual stream in fp32."""

    tolerance: Tolerance = field(default_factory=Tolerance)

    def write(self, inputs: RecipeInputs) -> WrittenFile:
        """Write the graph and compare it.

        Raises:
            ParityError: it does not decide as the reference does, p_cloud is too far off, or numbers overflow.
        """
        file, cases = MODEL_FILES[Precision.FP16], inputs.cases
        path = inputs.folder / file
        path.parent.mkdir(exist_ok=True)
        weights = fold_for_half_precision(inputs.weights, HalfPrecisionFolds())
        peak = measured_norm_inputs(weights, [case.ids for case in cases]).peak
        weights = scale_residual(weights, choose_peak_scale(peak))
        write_onnx(build_half_precision_onnx(weights, max_tokens=inputs.manifest.max_tokens), path)
        by_length = sorted(cases, key=lambda case: len(case.ids))
        _check_roundings(weights, evenly(by_length, _ROUNDED_PROMPTS), temperature=inputs.temperature)
        pad = inputs.manifest.pad_token_id
        engine = OnnxCpuEngine(path, file=file, precision=Precision.FP16.value, pad_token_id=pad)
        try:
            report = inputs.compare(engine, cases, band=self.tolerance.band)
        except EngineError as error:
            raise ParityError(f"in fp16, {error.message}", hint=NOT_IN_HALF_PRECISION) from error
        finally:
            engine.close()
        gate(report, self.tolerance.limits(Precision.FP16), temperature=inputs.temperature)
        return WrittenFile(entry=inputs.entry("onnx", file, Precision.FP16.value, report), report=report)


def _check_roundings(weights: ModernBertWeights, cases: Sequence[Case], *, temperature: float) -> None:
    """Compare the numpy model, with every number rounded to fp16, with the reference."""
    for case in cases:
        row = case.ids[None]
        logit = float(evaluate_half(weights, row, np.ones_like(row))[0])
        if not np.isfinite(logit):
            raise ParityError(f"a prompt of {len(case.ids)} tokens overflows in fp16", hint=NOT_IN_HALF_PRECISION)
        difference = abs(sigmoid(logit) - sigmoid(case.logit / temperature))
        if difference > HALF_PRECISION_P_DIFFERENCE:
            raise ParityError(
                f"p_cloud of a prompt of {len(case.ids)} tokens is {difference:.1e} off where every number is rounded "
                f"to fp16; at most {HALF_PRECISION_P_DIFFERENCE:.0e} is allowed",
                hint=NOT_IN_HALF_PRECISION,
            )
