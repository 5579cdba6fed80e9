"""A file in low precision that decides as the fp32 graph does: plan, write, measure, and keep exact what must be.

If decisions flip, the matrices that move the logit most go up in precision, twice as many each time, until none flips
or it would no longer be low precision. What goes up how far, and what a file is, say recipes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vibe_router.engines.onnx.padding import pad
from vibe_router.engines.protocol import Engine
from vibe_router.errors import ParityError
from vibe_router.progress import ProgressCallback
from vibe_router_export.checkpoint.weights import ModernBertWeights
from vibe_router_export.emit.quantize import MatrixFormat, Precision, PrecisionPlan
from vibe_router_export.observe.sensitivity import Sensitivity, rank_by_effect
from vibe_router_export.proof.parity import Case, Limits, ParityReport, failure

Judge = Callable[[Engine, Sequence[Case]], ParityReport]
"""Compare an engine with the reference."""

# Prompts to rank matrices with: the model runs on them once a matrix, in numpy.
_RANKING_PROMPTS, _RANKING_TOKENS = 8, 48
MOST_KEPT = 0.25
"""With more than this share of the matrices one precision up, files and times are nearer to those of that one."""


@dataclass(frozen=True)
class KeptMatrix:
    """A matrix in a higher precision than its file's, and why."""

    name: str
    precision: MatrixFormat
    reason: str


@dataclass(frozen=True)
class LowPrecisionFile:
    """What was written to `file`, and the comparison that allowed it."""

    precision: Precision
    file: str
    report: ParityReport
    kept: tuple[KeptMatrix, ...]


class Recipe(Protocol):
    """One kind of file in low precision."""

    @property
    def name(self) -> str:
        """What an error calls it."""

    @property
    def precision(self) -> Precision:
        """What the manifest calls its precision."""

    def plan(self, weights: ModernBertWeights) -> PrecisionPlan:
        """Return the plan in which everything that can be low is."""

    def kept_at_first(self, plan: PrecisionPlan) -> list[KeptMatrix]:
        """Return what goes up before anything is measured."""

    def ladder(
        self, weights: ModernBertWeights, plan: PrecisionPlan, ranking: Sequence[Sensitivity]
    ) -> Iterator[list[KeptMatrix]]:
        """Yield which matrices of `plan` go up and how far, ever more, if decisions flip."""

    def write(self, weights: ModernBertWeights, plan: PrecisionPlan, path: Path, *, max_tokens: int) -> None:
        """Write the file, in place of an earlier attempt's."""

    def open(self, path: Path, weights: ModernBertWeights, *, file: str) -> Engine:
        """Return the engine that runs the file of `weights` in an application."""


@dataclass(frozen=True, kw_only=True)
class LowPrecisionExporter:
    """Everything that files of one bundle have in common.

    `weights` have the temperature folded in; `cases` are what `judge` compares on.
    """

    weights: ModernBertWeights
    max_tokens: int
    cases: Sequence[Case]
    judge: Judge
    limits: Limits
    temperature: float
    progress: ProgressCallback | None = None

    def export(self, recipe: Recipe, path: Path, *, file: str) -> LowPrecisionFile:
        """Write a file to `path`; `file` is its name in the bundle.

        Raises:
            ParityError: no file of this kind decides as the reference does.
        """
        attempt = _Attempt(self, recipe, path, file)
        plan = recipe.plan(self.weights)
        kept = recipe.kept_at_first(plan)
        report = attempt(plan, kept, self.cases)
        error = failure(report, self.limits, temperature=self.temperature)
        if error is not None:
            report, kept = self._remedied(attempt, plan, kept, report, error)
        return LowPrecisionFile(recipe.precision, file, report, tuple(kept))

    def some_sequences(self, count: int, tokens: int) -> list[NDArray[np.int64]]:
        """Return the ids, int64 [tokens] each, of `count` cases, taken evenly from those of at most `tokens` ids."""
        short = [case.ids for case in self.cases if len(case.ids) <= tokens]
        return short[:: max(1, len(short) // count)][:count]

    def _remedied(
        self,
        attempt: _Attempt,
        plan: PrecisionPlan,
        kept: Sequence[KeptMatrix],
        report: ParityReport,
        error: ParityError,
    ) -> tuple[ParityReport, list[KeptMatrix]]:
        """Put 1, 2, 4... matrices up, largest effect first, until the gate passes."""
        left = {name: precision for name, precision in plan.items() if name not in {one.name for one in kept}}
        sequences = self.some_sequences(_RANKING_PROMPTS, _RANKING_TOKENS)
        ids, mask = pad(sequences, pad_token_id=self.weights.config.pad_token_id)
        ranking = rank_by_effect(self.weights, left, ids, mask, progress=self.progress)
        flipped = {flip.prompt for flip in report.flips}
        more: list[KeptMatrix] = []
        for more in attempt.recipe.ladder(self.weights, left, ranking):
            # The prompts that flipped last time are the likeliest to flip again, and are quickly asked.
            for cases in ([case for case in self.cases if case.prompt in flipped], self.cases):
                report = attempt(plan, [*kept, *more], cases)
                remaining = failure(report, self.limits, temperature=self.temperature)
                if remaining is not None:
                    error = remaining
                    break
            else:
                return report, [*kept, *more]
        raise ParityError(
            f"no {attempt.recipe.name} passes: with {len(kept) + len(more)} of {len(plan)} matrices in a "
            f"higher precision, {error.message}",
            hint=error.hint,
        )


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
    """Write a file and compare it; a later attempt replaces the file of an earlier one."""

    exporter: LowPrecisionExporter
    recipe: Recipe
    path: Path
    file: str

    def __call__(self, plan: PrecisionPlan, kept: Sequence[KeptMatrix], cases: Sequence[Case]) -> ParityReport:
        tried = {**plan, **{matrix.name: matrix.precision for matrix in kept}}
        self.recipe.write(self.exporter.weights, tried, self.path, max_tokens=self.exporter.max_tokens)
        engine = self.recipe.open(self.path, self.exporter.weights, file=self.file)
        try:
            return self.exporter.judge(engine, cases)
        finally:
            engine.close()
