"""Recipe for the ONNX graphs in fp32."""

from __future__ import annotations

from dataclasses import dataclass

from vibe_router.bundle.manifest import EngineFile
from vibe_router.engines.onnx.cpu import OnnxCpuEngine
from vibe_router_export.choices import Precision
from vibe_router_export.emit.onnx.file import write_graphs
from vibe_router_export.emit.onnx.graph import build_onnx
from vibe_router_export.emit.onnx.portable import build_portable_onnx
from vibe_router_export.fold.folds import centre_residual
from vibe_router_export.fold.significant_bits import ALL_BITS, keep_significant_bits
from vibe_router_export.proof.parity import FP32_LIMITS, ParityReport, gate
from vibe_router_export.recipes.files import MODEL_FILE, PORTABLE, PORTABLE_FILES, weights_file
from vibe_router_export.recipes.recipe import RecipeInputs, WrittenFile

_FP32 = Precision.FP32


@dataclass(frozen=True)
class FullPrecisionRecipe:
    """The graphs that every other file is measured against where the reference would take too long.

    `significant_bits` are kept of each weight's 24, for files that compress.
    """

    significant_bits: int = ALL_BITS

    def write(self, inputs: RecipeInputs) -> WrittenFile:
        """Write both graphs on one file of weights and compare them with the reference, logit by logit.

        Raises:
            ParityError: a logit is more than 1e-4 off, or a decision differs.
        """
        fast, portable = inputs.folder / MODEL_FILE, inputs.folder / PORTABLE_FILES[_FP32]
        fast.parent.mkdir(exist_ok=True)
        weights = keep_significant_bits(centre_residual(inputs.weights), self.significant_bits)
        max_tokens = inputs.manifest.max_tokens
        graphs = {
            fast: build_onnx(weights, max_tokens=max_tokens),
            portable: build_portable_onnx(weights, max_tokens=max_tokens),
        }
        write_graphs(graphs, data=inputs.folder / weights_file(_FP32))
        del graphs, weights
        entry, report = _prove(inputs, "onnx", MODEL_FILE)
        return WrittenFile(entry=entry, report=report, portable=_prove(inputs, PORTABLE, PORTABLE_FILES[_FP32])[0])


def _prove(inputs: RecipeInputs, kind: str, file: str) -> tuple[EngineFile, ParityReport]:
    pad = inputs.manifest.pad_token_id
    engine = OnnxCpuEngine(inputs.folder / file, file=file, precision=_FP32.value, pad_token_id=pad)
    try:
        report = inputs.compare(engine, inputs.cases, band=FP32_LIMITS.band)
    finally:
        engine.close()
    gate(report, FP32_LIMITS, temperature=inputs.temperature)
    return inputs.entry(kind, file, _FP32.value, report, weights=weights_file(_FP32)), report
