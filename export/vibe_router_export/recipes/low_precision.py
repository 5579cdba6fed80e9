"""Recipe for a file in low precision: plan, write, measure, and keep exact what must be.

If decisions flip, the matrices that move the logit most go up in precision, twice as many each time, until none flips
or the file would no longer be one of low precision. A `QuantizedFormat` says which matrices go up how far, and writes
and opens the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vibe_router.bundle.manifest import EngineFile
from vibe_router.engines.onnx.padding import pad
from vibe_router.engines.protocol import Engine
from vibe_router.errors import ParityError
from vibe_router_export.checkpoint.weights import ModernBertWeights
from vibe_router_export.choices import Precision
from vibe_router_export.emit.quantize import MatrixFormat, PrecisionPlan
from vibe_router_export.observe.sensitivity import Sensitivity, rank_by_effect
from vibe_router_export.proof.parity import Case, ParityReport, failure
from vibe_router_export.recipes.files import PORTABLE
from vibe_router_export.recipes.recipe import KeptMatrix, RecipeInputs, Tolerance, WrittenFile

# Prompts to rank matrices with: the model runs on them once a matrix, in numpy.
_RANKING_PROMPTS, _RANKING_TOKENS = 8, 48
MOST_KEPT = 0.25
"""Largest share of the matrices that may go one precision up; beyond it, size and time are nearer to that precision."""


class QuantizedFormat(Protocol):
    """One format of files in low precision."""

    @property
    def kind(self) -> str:
        """The manifest's name of the engines that read it."""

    @property
    def file(self) -> str:
        """Its path in a bundle."""

    @property
    def name(self) -> str:
        """Its name in errors."""

    @property
    def precision(self) -> Precision:
        """Its precision in the manifest."""

    def fold(self, weights: ModernBertWeights) -> ModernBertWeights:
        """Return the weights as the file holds them, before rounding."""

    def plan(self, weights: ModernBertWeights) -> PrecisionPlan:
        """Return the plan in which everything that can be low is."""

    def kept_at_first(self, plan: PrecisionPlan) -> list[KeptMatrix]:
        """Return the matrices that go up before anything is measured."""

    def ladder(
        self, weights: ModernBertWeights, plan: PrecisionPlan, ranking: Sequence[Sensitivity]
    ) -> Iterator[list[KeptMatrix]]:
        """Yield the matrices of `plan` that go up if decisions flip, more each time."""

    def write(self, weights: ModernBertWeights, plan: PrecisionPlan, path: Path, *, max_tokens: int) -> None:
        """Write the file in place of an earlier attempt's."""

    @property
    def portable(self) -> str | None:
        """The path in a bundle of the graph of the same weights for other software, if `write` makes one."""

    @property
    def weights(self) -> str | None:
        """The path in a bundle of the weights that both share."""

    def open(self, path: Path, *, pad_token_id: int) -> Engine:
        """Return the engine that runs the file, or its portable graph, in an application."""

    def complete(self, inputs: RecipeInputs) -> None:
        """Add to the file, which has passed, what no gate needs."""

    def section(self, entry: EngineFile, kept: Sequence[KeptMatrix]) -> str | None:
        """Return the file's part of the bundle's card, if it has one."""


@dataclass(frozen=True)
class LowPrecisionRecipe:
    """The lowest file of a format that decides as the reference does."""

    format: QuantizedFormat
    tolerance: Tolerance = field(default_factory=Tolerance)

    def write(self, inputs: RecipeInputs) -> WrittenFile:
        """Write and compare the file, with ever more matrices kept exact if decisions flip.

        Raises:
            ParityError: no file of this format decides as the reference does.
        """
        attempt = _Attempt(inputs, self, self.format.fold(inputs.weights))
        plan = self.format.plan(attempt.weights)
        kept = self.format.kept_at_first(plan)
        attempt.write(plan, kept)
        reports = attempt.compare(inputs.cases)
        error = attempt.failure(reports)
        if error is not None:
            reports, kept = _remedy(attempt, plan, kept, reports, error)
        quantized, precision = self.format, self.format.precision.value
        quantized.complete(inputs)
        entry = inputs.entry(quantized.kind, quantized.file, precision, reports[0], weights=quantized.weights)
        portable = (
            None
            if quantized.portable is None
            else inputs.entry(PORTABLE, quantized.portable, precision, reports[1], weights=quantized.weights)
        )
        return WrittenFile(
            entry=entry,
            report=reports[0],
            kept=tuple(kept),
            portable=portable,
            section=quantized.section(entry, kept),
        )


def some_sequences(cases: Sequence[Case], count: int, tokens: int) -> list[NDArray[np.int64]]:
    """Return the ids, int64 [tokens] each, of `count` cases, taken evenly from those of at most `tokens` ids."""
    short = [case.ids for case in cases if len(case.ids) <= tokens]
    return short[:: max(1, len(short) // count)][:count]


def raised(effect: Sensitivity, precision: MatrixFormat) -> KeptMatrix:
    """Return a matrix that goes up because of its effect on the logit."""
    return KeptMatrix(effect.name, precision, str(effect))


def doubling(most: int) -> list[int]:
    """Return 1, 2, 4... up to `most`, and `most` itself; at least 1."""
    counts = [1]
    while counts[-1] < most:
        counts.append(min(2 * counts[-1], most))
    return counts


@dataclass(frozen=True)
class _Attempt:
    """A file to write and to compare. What is written later replaces what was written before."""

    inputs: RecipeInputs
    recipe: LowPrecisionRecipe
    weights: ModernBertWeights

    def write(self, plan: PrecisionPlan, kept: Sequence[KeptMatrix]) -> None:
        """Write the file, with `kept` in higher precisions than the plan's."""
        tried = {**plan, **{matrix.name: matrix.precision for matrix in kept}}
        path = self.inputs.folder / self.recipe.format.file
        path.parent.mkdir(exist_ok=True)
        self.recipe.format.write(self.weights, tried, path, max_tokens=self.inputs.manifest.max_tokens)

    def compare(self, cases: Sequence[Case]) -> tuple[ParityReport, ...]:
        """Return the report of the file as it was last written, then that of its portable graph, if it has one."""
        quantized = self.recipe.format
        files = [quantized.file, *(() if quantized.portable is None else (quantized.portable,))]
        return tuple([self._compare(self.inputs.folder / file, cases) for file in files])

    def _compare(self, path: Path, cases: Sequence[Case]) -> ParityReport:
        engine = self.recipe.format.open(path, pad_token_id=self.inputs.manifest.pad_token_id)
        try:
            return self.inputs.compare(engine, cases, band=self.recipe.tolerance.band)
        finally:
            engine.close()

    def failure(self, reports: Sequence[ParityReport]) -> ParityError | None:
        """Return what keeps the reports from passing."""
        limits = self.recipe.tolerance.limits(Precision.INT8)
        failures = (failure(report, limits, temperature=self.inputs.temperature) for report in reports)
        return next((error for error in failures if error is not None), None)


def _remedy(
    attempt: _Attempt,
    plan: PrecisionPlan,
    kept: Sequence[KeptMatrix],
    reports: tuple[ParityReport, ...],
    error: ParityError,
) -> tuple[tuple[ParityReport, ...], list[KeptMatrix]]:
    """Raise 1, 2, 4... matrices, largest effect first, until the gate passes."""
    left = {name: precision for name, precision in plan.items() if name not in {one.name for one in kept}}
    inputs, weights, quantized = attempt.inputs, attempt.weights, attempt.recipe.format
    sequences = some_sequences(inputs.cases, _RANKING_PROMPTS, _RANKING_TOKENS)
    ids, mask = pad(sequences, pad_token_id=weights.config.pad_token_id)
    ranking = rank_by_effect(weights, left, ids, mask, progress=inputs.progress)
    flipped = {flip.prompt for report in reports for flip in report.flips}
    more: list[KeptMatrix] = []
    for more in quantized.ladder(weights, left, ranking):
        attempt.write(plan, [*kept, *more])
        # The prompts that flipped last time are the likeliest to flip again, and take little time.
        for cases in ([case for case in inputs.cases if case.prompt in flipped], inputs.cases):
            reports = attempt.compare(cases)
            remaining = attempt.failure(reports)
            if remaining is not None:
                error = remaining
                break
        else:
            return reports, [*kept, *more]
    raise ParityError(
        f"no {quantized.name} passes: with {len(kept) + len(more)} of {len(plan)} matrices in a "
        f"higher precision, {error.message}",
        hint=error.hint,
    )
