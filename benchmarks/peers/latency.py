"""Latency: every contender scores the same ids and prompts, taking turns, one process computing at a time.

A round visits every length, and at each length every contender, in an order shuffled by the seed. A turn is some calls
that are not timed, which bring the contender's weights and threads back to the state they have where it runs alone,
and then the timed ones.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.client import Worker
from benchmarks.peers.contenders.definition import Contender
from benchmarks.peers.latency_result import LatencyResult
from benchmarks.peers.sources import Sources
from benchmarks.peers.team import Team, assembled
from vibe_router.progress import Progress, ProgressCallback

# No further timed call of a turn is begun after this: several short ones, one long one.
_TURN_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is measured. `prompts` are decided from text, `prompts_a_round` of them in each round."""

    sequences: dict[int, NDArray[np.int64]]
    prompts: Sequence[str]
    prompts_a_round: int
    rounds: int
    calls: int
    warm_up: int
    seed: int


def measure_latency(
    contenders: Sequence[Contender],
    sources: Sources,
    plan: Plan,
    *,
    threads: int,
    result: LatencyResult,
    save: Callable[[], None],
    limit: float = float("inf"),
    progress: ProgressCallback | None = None,
) -> None:
    """Add up to `plan.rounds` rounds to `result`, calling `save` after each; stop before `limit` seconds are over."""
    started = time.perf_counter()
    with assembled(contenders, sources, threads=threads) as team:
        result.note(team.outcomes.values())
        longest = 0.0
        for done in range(plan.rounds):
            before = time.perf_counter()
            if before - started + longest > limit or not team.workers:
                break
            _round(team, plan, result, threads=threads)
            result.note(team.outcomes.values())
            save()
            longest = max(longest, time.perf_counter() - before)
            if progress is not None:
                progress(Progress(done + 1, plan.rounds))


def _round(team: Team, plan: Plan, result: LatencyResult, *, threads: int) -> None:
    number = result.rounds(threads)
    shuffle = random.Random(f"{plan.seed} {threads} {number}")
    for tokens in shuffle.sample(list(plan.sequences), len(plan.sequences)):
        ids = plan.sequences[tokens].tolist()
        for worker in _shuffled(team, shuffle):
            answer = team.ask(worker, "time_ids", ids=ids, calls=plan.calls, warm_up=plan.warm_up, limit=_TURN_SECONDS)
            if answer is not None:
                result.add(worker.contender.key, threads=threads, tokens=tokens, **_taken(answer))
    for place in range(number * plan.prompts_a_round, (number + 1) * plan.prompts_a_round if plan.prompts else 0):
        prompt = plan.prompts[place % len(plan.prompts)]
        for worker in _shuffled(team, shuffle):
            answer = team.ask(worker, "time_prompt", prompt=prompt, calls=1, warm_up=plan.warm_up)
            if answer is not None:
                result.add(worker.contender.key, threads=threads, tokens=None, **_taken(answer))
    result.finish_round(threads)


def _shuffled(team: Team, shuffle: random.Random) -> list[Worker]:
    return shuffle.sample(team.workers, len(team.workers))


def _taken(answer: dict[str, Any]) -> dict[str, Any]:
    return {"seconds": answer["seconds"], "logit": answer.get("logit")}
