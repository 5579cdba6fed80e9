"""Cold start: process start to first decision in fresh processes, each contender in turn, files in the page cache."""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.peers.contenders.definition import Contender
from benchmarks.peers.contenders.ours import cold_request
from benchmarks.peers.outcome import Outcome, Status
from benchmarks.peers.results import merge_contenders
from benchmarks.peers.sources import NotMeasurableError, Sources, environment
from vibe_router.errors import EngineError
from vibe_router.progress import Progress, ProgressCallback
from vibe_router_tools.measurement.cold import ColdStart, run_cold, summarize_cold


def measure_cold(
    contenders: Sequence[Contender],
    sources: Sources,
    *,
    prompt: str,
    runs: int,
    threads: int,
    seed: int,
    limit: float = float("inf"),
    progress: ProgressCallback | None = None,
) -> tuple[dict[str, list[ColdStart]], list[Outcome]]:
    """Return the starts of each contender, and what became of all.

    One start of each, not counted, comes first: it brings the files into the page cache. Then `runs` rounds in shuffled
    order, none begun that would end after `limit` seconds.
    """
    started = time.perf_counter()
    commands: dict[str, Callable[[], ColdStart]] = {}
    outcomes: dict[str, Outcome] = {}
    for contender in contenders:
        try:
            start = _starter(contender, sources, prompt=prompt, threads=threads)
            start()
        except NotMeasurableError as error:
            outcomes[contender.key] = Outcome.of(contender, error.status, str(error))
        except EngineError as error:
            outcomes[contender.key] = Outcome.of(contender, Status.FAILED, str(error))
        else:
            commands[contender.key] = start
            outcomes[contender.key] = Outcome.of(contender, Status.MEASURED)
    taken: dict[str, list[ColdStart]] = {key: [] for key in commands}
    shuffle = random.Random(seed)
    longest = 0.0
    for done in range(runs):
        before = time.perf_counter()
        if before - started + longest > limit:
            break
        for key in shuffle.sample(list(commands), len(commands)):
            taken[key].append(commands[key]())
        longest = max(longest, time.perf_counter() - before)
        if progress is not None:
            progress(Progress(done + 1, runs))
    return {key: starts for key, starts in taken.items() if starts}, list(outcomes.values())


def cold_content(
    head: Mapping[str, Any],
    settings: Mapping[str, Any],
    starts: Mapping[str, Sequence[ColdStart]],
    outcomes: Sequence[Outcome],
    old: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the JSON values of a result: what `old` holds and these, the newer where both have a contender."""
    rows = {row["key"]: row for row in (old["summary"] if old else [])}
    for key, taken in starts.items():
        summary = summarize_cold(taken)
        rows[key] = {
            "key": key,
            "starts": summary.total.calls,
            "median_ms": round(summary.total.median_ms, 2),
            "p95_ms": round(summary.total.p95_ms, 2),
            "phases_ms": {phase: round(value, 2) for phase, value in summary.phases_ms.items()},
            "peak_resident": summary.peak_resident,
        }
    contenders = merge_contenders(old["contenders"] if old else [], [outcome.fields() for outcome in outcomes])
    return {**head, "settings": dict(settings), "contenders": contenders, "summary": list(rows.values())}


def _starter(contender: Contender, sources: Sources, *, prompt: str, threads: int) -> Callable[[], ColdStart]:
    """Return what starts a fresh process: the very one of `vibe-router bench` for ours, `cold_child` for peers."""
    load = sources.load(contender, threads=threads)
    sources.require(contender)
    paths = {"checkpoint": load.checkpoint, "bundle": load.bundle, "artifact": load.artifact}
    variables = environment(threads=threads)
    if contender.family == "ours":
        command = [sys.executable, "-m", "vibe_router_tools.measurement.cold_child"]
        text = cold_request(contender, load, prompt=prompt).to_json()
    else:
        command = [str(sources.python(contender)), "-m", "benchmarks.peers.cold_child", contender.key]
        named = {name: None if path is None else str(path) for name, path in paths.items()}
        text = json.dumps(named | {"threads": threads, "prompt": prompt})
    return lambda: run_cold(command, text, environment=variables)
