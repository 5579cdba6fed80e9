"""Latency next to busy neighbours: every contender scores the same ids, taking turns, under each load.

A row of the result has the milliseconds of all calls with one load, contender, number of threads and length; the
CPU-milliseconds of a call, which spinning threads add to; and the neighbours' speed during the turn, where 1 is their
speed just before it, without a contender.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.client import Worker
from benchmarks.peers.contenders.definition import Contender
from benchmarks.peers.neighbours import Neighbours, neighbours
from benchmarks.peers.sources import Sources
from benchmarks.peers.team import Team, assembled
from vibe_router.progress import Progress, ProgressCallback

_TURN_SECONDS = 1.0
_ALONE_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Load:
    """Neighbours of the contender: none, or some of one kind."""

    kind: str
    count: int


@dataclass(frozen=True, kw_only=True)
class BusyPlan:
    """What is measured."""

    sequences: dict[int, NDArray[np.int64]]
    loads: Sequence[Load]
    threads: Sequence[int]
    rounds: int
    calls: int
    seed: int


@dataclass
class BusyResult:
    """Samples by load, contender, threads and tokens."""

    head: Mapping[str, Any]
    settings: Mapping[str, Any]
    contenders: list[dict[str, Any]] = field(default_factory=list)
    _samples: dict[tuple[str, int, str, int, int], list[tuple[float, float, float | None]]] = field(
        default_factory=dict
    )

    def add(
        self, load: Load, key: str, threads: int, tokens: int, answer: Mapping[str, Any], speed: float | None
    ) -> None:
        """Add the calls of one turn; `speed` is the neighbours'."""
        samples = self._samples.setdefault((load.kind, load.count, key, threads, tokens), [])
        samples += [(wall, cpu, speed) for wall, cpu in zip(answer["seconds"], answer["cpu_seconds"], strict=True)]

    def summary(self) -> list[dict[str, Any]]:
        """Return a row for each sample: medians, the 99th percentile, and the neighbours' speed."""
        rows = []
        for (kind, count, key, threads, tokens), samples in sorted(self._samples.items()):
            walls = [wall * 1e3 for wall, _, _ in samples]
            speeds = [speed for *_, speed in samples if speed is not None]
            rows.append(
                {
                    "neighbours": kind,
                    "count": count,
                    "key": key,
                    "threads": threads,
                    "tokens": tokens,
                    "calls": len(samples),
                    "median_ms": round(float(np.median(walls)), 3),
                    "p99_ms": round(float(np.percentile(walls, 99)), 3),
                    "cpu_ms": round(float(np.mean([cpu for _, cpu, _ in samples])) * 1e3, 3),
                    "neighbours_speed": round(float(np.mean(speeds)), 3) if speeds else None,
                }
            )
        return rows

    def content(self) -> dict[str, Any]:
        """Return the JSON values of the file."""
        head, settings = dict(self.head), dict(self.settings)
        return {**head, "settings": settings, "contenders": self.contenders, "summary": self.summary()}


def measure_busy(
    contenders: Sequence[Contender],
    sources: Sources,
    plan: BusyPlan,
    *,
    result: BusyResult,
    save: Callable[[], None],
    progress: ProgressCallback | None = None,
) -> None:
    """Add `plan.rounds` rounds to `result`, calling `save` after each. A round visits every load in turn."""
    with ExitStack() as stack:
        teams = {
            threads: stack.enter_context(assembled(contenders, sources, threads=threads)) for threads in plan.threads
        }
        running = {
            load: stack.enter_context(neighbours(load.kind, load.count)) if load.count else None for load in plan.loads
        }
        for done in range(plan.rounds):
            shuffle = random.Random(f"{plan.seed} {done}")
            for load in shuffle.sample(list(plan.loads), len(plan.loads)):
                for tokens in shuffle.sample(list(plan.sequences), len(plan.sequences)):
                    turns = [(threads, worker) for threads, team in teams.items() for worker in team.workers]
                    for threads, worker in shuffle.sample(turns, len(turns)):
                        _turn(teams[threads], worker, running[load], load, threads, tokens, plan, result)
            result.contenders = [outcome.fields() for team in teams.values() for outcome in team.outcomes.values()]
            save()
            if progress is not None:
                progress(Progress(done + 1, plan.rounds))


def _turn(
    team: Team,
    worker: Worker,
    beside: Neighbours | None,
    load: Load,
    threads: int,
    tokens: int,
    plan: BusyPlan,
    result: BusyResult,
) -> None:
    arguments = {"ids": plan.sequences[tokens].tolist(), "calls": plan.calls, "limit": _TURN_SECONDS}
    if beside is None:
        answer, speed = team.ask(worker, "time_cpu", **arguments), None
    else:
        with beside.working():
            alone = beside.rate(_ALONE_SECONDS)
            before, started = beside.done(), time.perf_counter()
            answer = team.ask(worker, "time_cpu", **arguments)
            speed = (beside.done() - before) / (time.perf_counter() - started) / alone if alone else None
    if answer is not None:
        result.add(load, worker.contender.key, threads, tokens, answer, speed)
