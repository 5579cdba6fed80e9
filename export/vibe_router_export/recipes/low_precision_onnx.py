"""ONNX graphs in int8 and int4, the matrices that stay exact at first, and those that go up if decisions flip.

First the matrices whose input spikes are kept out of plain int8. Then, from int4, matrices go up to int8; from int8 to
int8 in blocks, and the first of those to fp32.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vibe_router.bundle.manifest import EngineFile
from vibe_router.engines.onnx.cpu import OnnxCpuEngine
from vibe_router_export.checkpoint.weights import ModernBertWeights
from vibe_router_export.choices import Precision
from vibe_router_export.emit.onnx.file import write_graphs
from vibe_router_export.emit.onnx.graph import build_onnx
from vibe_router_export.emit.onnx.portable import build_portable_onnx
from vibe_router_export.emit.quantize import MatrixFormat, PrecisionPlan, lowered
from vibe_router_export.fold.folds import centre_residual
from vibe_router_export.observe.sensitivity import Sensitivity
from vibe_router_export.observe.spikes import input_ranges
from vibe_router_export.recipes.files import MODEL_FILES, PORTABLE_FILES, weights_file
from vibe_router_export.recipes.low_precision import MOST_KEPT, doubling, raised, some_sequences
from vibe_router_export.recipes.recipe import KeptMatrix, RecipeInputs

# Prompts to look for spikes with: the model runs on them once, in numpy.
_CALIBRATION_PROMPTS, _CALIBRATION_TOKENS = 64, 128


def spiking_matrices(inputs: RecipeInputs) -> tuple[KeptMatrix, ...]:
    """Return the matrices whose input spikes on the draft's prompts."""
    weights = centre_residual(inputs.weights)
    sequences = some_sequences(inputs.cases, _CALIBRATION_PROMPTS, _CALIBRATION_TOKENS)
    ranges = input_ranges(weights, sequences, pad_token_id=weights.config.pad_token_id)
    return tuple(KeptMatrix(item.name, MatrixFormat.FP32, str(item)) for item in ranges if item.spiking)


@dataclass(frozen=True)
class OnnxFormat:
    """A graph in `precision`, INT8 or INT4, of a model with these spiking matrices."""

    precision: Precision
    spiking: Sequence[KeptMatrix]

    kind = "onnx"

    @property
    def file(self) -> str:
        """Its path in a bundle."""
        return MODEL_FILES[self.precision]

    @property
    def portable(self) -> str | None:
        """The path in a bundle of the portable graph; there is none in int4."""
        return PORTABLE_FILES.get(self.precision)

    @property
    def weights(self) -> str:
        """The path in a bundle of the big constants."""
        return weights_file(self.precision)

    @property
    def name(self) -> str:
        """Its name in errors."""
        return f"{self.precision.value} graph"

    def fold(self, weights: ModernBertWeights) -> ModernBertWeights:
        """Return the weights with a centred residual stream."""
        return centre_residual(weights)

    def plan(self, weights: ModernBertWeights) -> PrecisionPlan:
        """Return the plan in which everything that can be low is."""
        return lowered(weights, self.precision)

    def kept_at_first(self, plan: PrecisionPlan) -> list[KeptMatrix]:
        """Return the spiking matrices that would be in int8: int4 has a scale for every block of a token."""
        return [matrix for matrix in self.spiking if plan[matrix.name] is MatrixFormat.INT8]

    def ladder(
        self, weights: ModernBertWeights, plan: PrecisionPlan, ranking: Sequence[Sensitivity]
    ) -> Iterator[list[KeptMatrix]]:
        """Yield which matrices of `plan` go up and how far, ever more: at most a quarter a whole precision.

        int8 in blocks is no precision of its own: a matrix is a thirtieth larger and takes half as long again.
        """
        most = int(MOST_KEPT * len(ranking))
        if MatrixFormat.INT4 in plan.values():
            spiking = {matrix.name for matrix in self.spiking}
            int8 = {name for name, matrix_format in plan.items() if matrix_format is MatrixFormat.INT8}
            for count in doubling(most):
                yield [
                    raised(effect, MatrixFormat.FP32 if effect.name in spiking | int8 else MatrixFormat.INT8)
                    for effect in ranking[:count]
                ]
            return
        # Rows of the embedding table are looked up, not multiplied: there is nothing between int8 and fp32 for them.
        products = [effect for effect in ranking if effect.name != weights.token_embedding.name]
        for count in doubling(len(products)):
            for exact in (0, max(1, min(count // 4, most))):
                yield [
                    raised(effect, MatrixFormat.FP32 if place < exact else MatrixFormat.INT8_BLOCKS)
                    for place, effect in enumerate(products[:count])
                ]

    def write(self, weights: ModernBertWeights, plan: PrecisionPlan, path: Path, *, max_tokens: int) -> None:
        """Write the graphs in place of an earlier attempt's."""
        data = path.parent / PurePosixPath(self.weights).name
        graphs = {path: build_onnx(weights, max_tokens=max_tokens, plan=plan)}
        if self.portable is not None:
            portable = path.parent / PurePosixPath(self.portable).name
            graphs[portable] = build_portable_onnx(weights, max_tokens=max_tokens, plan=plan)
        for old in (*graphs, data):
            old.unlink(missing_ok=True)
        write_graphs(graphs, data=data)

    def open(self, path: Path, *, pad_token_id: int) -> OnnxCpuEngine:
        """Return the engine of a graph on this CPU."""
        return OnnxCpuEngine(path, file=f"onnx/{path.name}", precision=self.precision.value, pad_token_id=pad_token_id)

    def complete(self, inputs: RecipeInputs) -> None:
        """Add nothing."""

    def section(self, entry: EngineFile, kept: Sequence[KeptMatrix]) -> None:
        """Return nothing: a row of the card's table says it all."""
