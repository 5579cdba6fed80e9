"""The native engine's file in int8, and the matrices that go up if decisions flip.

Activations have a scale for every token, so a massive value spoils no token but its own, and nothing is kept exact
before decisions have been compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vibe_router.bundle.manifest import EngineFile
from vibe_router.engines.native.engine import NativeEngine
from vibe_router.text.tokenizer import PromptTokenizer
from vibe_router_export.card import native_section
from vibe_router_export.checkpoint.weights import ModernBertWeights
from vibe_router_export.choices import Precision
from vibe_router_export.emit.native.file import NATIVE_FILE, native_architecture, open_native, write_native
from vibe_router_export.emit.native.router_file import complete_router_file
from vibe_router_export.emit.quantize import MatrixFormat, PrecisionPlan, lowered_by_token
from vibe_router_export.observe.sensitivity import Sensitivity
from vibe_router_export.recipes.low_precision import MOST_KEPT, doubling, raised
from vibe_router_export.recipes.recipe import KeptMatrix, RecipeInputs


@dataclass(frozen=True)
class NativeFormat:
    """The file of the native engine."""

    kind = "native"
    file = NATIVE_FILE
    name = "native file"
    precision = Precision.INT8
    portable = None
    weights = None

    def fold(self, weights: ModernBertWeights) -> ModernBertWeights:
        """Return the weights as they are."""
        return weights

    def plan(self, weights: ModernBertWeights) -> PrecisionPlan:
        """Return the plan in which everything that can be low is."""
        return lowered_by_token(weights)

    def kept_at_first(self, plan: PrecisionPlan) -> list[KeptMatrix]:
        """Return nothing."""
        del plan
        return []

    def ladder(
        self, weights: ModernBertWeights, plan: PrecisionPlan, ranking: Sequence[Sensitivity]
    ) -> Iterator[list[KeptMatrix]]:
        """Yield which matrices go to fp32, ever more: at most a quarter. The engine knows embeddings in int8 only."""
        del plan
        products = [effect for effect in ranking if effect.name != weights.token_embedding.name]
        for count in doubling(int(MOST_KEPT * len(products))):
            yield [raised(effect, MatrixFormat.FP32) for effect in products[:count]]

    def write(self, weights: ModernBertWeights, plan: PrecisionPlan, path: Path, *, max_tokens: int) -> None:
        """Write the file in place of an earlier attempt's."""
        exact = [name for name, matrix_format in plan.items() if matrix_format is MatrixFormat.FP32]
        # A new file, because the earlier one may still be mapped.
        path.unlink(missing_ok=True)
        write_native(weights, native_architecture(weights, max_tokens=max_tokens, exact=exact), path)

    def open(self, path: Path, *, pad_token_id: int) -> NativeEngine:
        """Return the engine of a file on this CPU, which pads nothing."""
        del pad_token_id
        return open_native(path, file=self.file)

    def complete(self, inputs: RecipeInputs) -> None:
        """Add tokenizer, thresholds and golden prompts, with which a program in C routes text.

        The C library reads byte-level BPE alone; with another tokenizer the file serves Python.
        """
        tokenizer_json = (inputs.folder / "tokenizer.json").read_bytes()
        if PromptTokenizer(tokenizer_json, max_tokens=inputs.manifest.max_tokens).reads_whole:
            return
        complete_router_file(
            inputs.folder / self.file,
            manifest=inputs.manifest,
            tokenizer_json=tokenizer_json,
            prompts=[case.prompt for case in inputs.proof.cases[: inputs.proof.golden]],
        )

    def section(self, entry: EngineFile, kept: Sequence[KeptMatrix]) -> str:
        """Return the card's section about the file."""
        return native_section(entry, kept)
