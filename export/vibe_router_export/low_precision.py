"""A graph in low precision that decides as the fp32 graph does: plan, emit, measure, and keep exact what must be.

First the matrices whose input spikes are kept out of plain int8. If decisions still flip, the matrices that move the
logit most go up, twice as many each time, until none flips or it would no longer be low precision: from int4 to int8,
from int8 to int8 in blocks, and the first of those to fp32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vibe_router.batching import pad
from vibe_router.engines.onnx import OnnxCpuEngine
from vibe_router.engines.protocol import Engine
from vibe_router.errors import ParityError
from vibe_router.events import ProgressCallback
from vibe_router_export.emit.onnx_graph import build_onnx
from vibe_router_export.onnx_file import remove_onnx, write_onnx
from vibe_router_export.parity import Case, Limits, ParityReport, failure
from vibe_router_export.quantize import MatrixFormat, Precision, PrecisionPlan, lowered
from vibe_router_export.sensitivity import Sensitivity, rank_by_effect
from vibe_router_export.spikes import input_ranges
from vibe_router_export.weights import ModernBertWeights

Judge = Callable[[Engine, Sequence[Case]], ParityReport]
"""Compare a graph with the reference."""

# Prompts to look for spikes with, and to rank matrices with: the model runs once on the former and once a matrix on
# the latter, in numpy.
_CALIBRATION_PROMPTS, _CALIBRATION_TOKENS = 64, 128
_RANKING_PROMPTS, _RANKING_TOKENS = 8, 48
# With more than this share of the matrices one precision up, files and times are nearer to those of that one. int8 in
# blocks is no precision of its own: a matrix is a thirtieth larger and takes half as long again.
_MOST_KEPT = 0.25


@dataclass(frozen=True)
class KeptMatrix:
    """A matrix in a higher precision than its graph's, and why."""

    name: str
    precision: MatrixFormat
    reason: str


@dataclass(frozen=True)
class LowPrecisionGraph:
    """What was written to `file`, and the comparison that allowed it."""

    precision: Precision
    file: str
    report: ParityReport
    kept: tuple[KeptMatrix, ...]


@dataclass(frozen=True, kw_only=True)
class LowPrecisionExporter:
    """Everything that graphs of one bundle have in common.

    `weights` have the temperature folded in; `cases` are what `judge` compares on.
    """

    weights: ModernBertWeights
    max_tokens: int
    cases: Sequence[Case]
    judge: Judge
    limits: Limits
    temperature: float
    progress: ProgressCallback | None = None

    def export(self, precision: Precision, path: Path, *, file: str) -> LowPrecisionGraph:
        """Write a graph to `path`; `file` is its name in the bundle.

        Raises:
            ParityError: no graph of this precision decides as the reference does.
        """
        attempt = _Attempt(self, precision, path, file)
        plan = lowered(self.weights, precision)
        kept = [matrix for matrix in self._spiking if plan[matrix.name] is MatrixFormat.INT8]
        report = attempt(plan, kept, self.cases)
        error = failure(report, self.limits, temperature=self.temperature)
        if error is not None:
            report, kept = self._remedied(attempt, plan, kept, report, error)
        return LowPrecisionGraph(precision, file, report, tuple(kept))

    @cached_property
    def _spiking(self) -> list[KeptMatrix]:
        """The matrices whose input spikes."""
        sequences = self._some_sequences(_CALIBRATION_PROMPTS, _CALIBRATION_TOKENS)
        ranges = input_ranges(self.weights, sequences, pad_token_id=self.weights.config.pad_token_id)
        return [KeptMatrix(item.name, MatrixFormat.FP32, str(item)) for item in ranges if item.spiking]

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
        sequences = self._some_sequences(_RANKING_PROMPTS, _RANKING_TOKENS)
        ids, mask = pad(sequences, pad_token_id=self.weights.config.pad_token_id)
        ranking = rank_by_effect(self.weights, left, ids, mask, progress=self.progress)
        flipped = {flip.prompt for flip in report.flips}
        more: list[KeptMatrix] = []
        for more in self._ladder(left, ranking):
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
            f"no {attempt.precision.value} graph passes: with {len(kept) + len(more)} of {len(plan)} matrices in a "
            f"higher precision, {error.message}",
            hint=error.hint,
        )

    def _ladder(self, plan: PrecisionPlan, ranking: Sequence[Sensitivity]) -> Iterator[list[KeptMatrix]]:
        """Yield which matrices of `plan` go up and how far, ever more: at most a quarter a whole precision."""
        most = int(_MOST_KEPT * len(ranking))
        if MatrixFormat.INT4 in plan.values():
            spiking = {matrix.name for matrix in self._spiking}
            int8 = {name for name, matrix_format in plan.items() if matrix_format is MatrixFormat.INT8}
            for count in _doubling(most):
                yield [
                    _up(effect, MatrixFormat.FP32 if effect.name in spiking | int8 else MatrixFormat.INT8)
                    for effect in ranking[:count]
                ]
            return
        # Rows of the embedding table are looked up, not multiplied: there is nothing between int8 and fp32 for them.
        products = [effect for effect in ranking if effect.name != self.weights.token_embedding.name]
        for count in _doubling(len(products)):
            for exact in (0, max(1, min(count // 4, most))):
                yield [
                    _up(effect, MatrixFormat.FP32 if place < exact else MatrixFormat.INT8_BLOCKS)
                    for place, effect in enumerate(products[:count])
                ]

    def _some_sequences(self, count: int, tokens: int) -> list[NDArray[np.int64]]:
        """Return the ids of `count` cases, taken evenly from those of at most `tokens` ids."""
        short = [case.ids for case in self.cases if len(case.ids) <= tokens]
        return short[:: max(1, len(short) // count)][:count]


def _up(effect: Sensitivity, precision: MatrixFormat) -> KeptMatrix:
    return KeptMatrix(effect.name, precision, str(effect))


@dataclass(frozen=True)
class _Attempt:
    """Emit a graph and compare it; a later attempt replaces the file of an earlier one."""

    exporter: LowPrecisionExporter
    precision: Precision
    path: Path
    file: str

    def __call__(self, plan: PrecisionPlan, kept: Sequence[KeptMatrix], cases: Sequence[Case]) -> ParityReport:
        tried = {**plan, **{matrix.name: matrix.precision for matrix in kept}}
        remove_onnx(self.path)
        graph = build_onnx(self.exporter.weights, max_tokens=self.exporter.max_tokens, plan=tried)
        write_onnx(graph, self.path)
        engine = OnnxCpuEngine(self.path, file=self.file, precision=self.precision.value)
        try:
            return self.exporter.judge(engine, cases)
        finally:
            engine.close()


def _doubling(most: int) -> list[int]:
    """Return 1, 2, 4... up to `most`, and `most` itself; at least 1."""
    counts = [1]
    while counts[-1] < most:
        counts.append(min(2 * counts[-1], most))
    return counts
