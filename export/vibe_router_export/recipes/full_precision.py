"""Recipe for the ONNX graph in fp32."""

from __future__ import annotations

from dataclasses import dataclass

from vibe_router.engines.onnx.cpu import OnnxCpuEngine
from vibe_router_export.choices import Precision
from vibe_router_export.emit.onnx.file import write_onnx
from vibe_router_export.emit.onnx.graph import build_onnx
from vibe_router_export.fold.folds import centre_residual
from vibe_router_export.fold.significant_bits import ALL_BITS, keep_significant_bits
from vibe_router_export.proof.parity import FP32_LIMITS, gate
from vibe_router_export.recipes.files import MODEL_FILES
from vibe_router_export.recipes.recipe import RecipeInputs, WrittenFile


@dataclass(frozen=True)
class FullPrecisionRecipe:
    """The graph that every other file is measured against where the reference would take too long.

    `significant_bits` are kept of each weight's 24, for files that compress.
    """

    significant_bits: int = ALL_BITS

    def write(self, inputs: RecipeInputs) -> WrittenFile:
        """Write the graph and compare it with the reference, logit by logit.

        Raises:
            ParityError: a logit is more than 1e-4 off, or a decision differs.
        """
        file = MODEL_FILES[Precision.FP32]
        path = inputs.folder / file
        path.parent.mkdir(exist_ok=True)
        weights = keep_significant_bits(centre_residual(inputs.weights), self.significant_bits)
        write_onnx(build_onnx(weights, max_tokens=inputs.manifest.max_tokens), path)
        del weights
        pad = inputs.manifest.pad_token_id
        engine = OnnxCpuEngine(path, file=file, precision=Precision.FP32.value, pad_token_id=pad)
        try:
            report = inputs.compare(engine, inputs.cases, band=FP32_LIMITS.band)
        finally:
            engine.close()
        gate(report, FP32_LIMITS, temperature=inputs.temperature)
        return WrittenFile(entry=inputs.entry("onnx", file, Precision.FP32.value, report), report=report)
