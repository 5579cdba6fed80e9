"""Memory: peak resident bytes of each contender in a process of its own, and whether they grow with use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.contenders.definition import Contender
from benchmarks.peers.outcome import Outcome
from benchmarks.peers.results import merge_contenders
from benchmarks.peers.sources import Sources
from benchmarks.peers.team import Team
from vibe_router.progress import Progress, ProgressCallback

# Calls before the slope counts: arenas and caches grow to what the longest prompts need.
_SETTLING = 0.1
_SAMPLES = 200
_RESAMPLES = 2000
_BLOCK = 10


@dataclass(frozen=True, kw_only=True)
class Slope:
    """Bytes a call by least squares over `samples`, with a 95 % interval."""

    bytes_a_call: float
    low: float
    high: float
    samples: int

    @property
    def zero_inside(self) -> bool:
        """Whether growth cannot be told from none."""
        return self.low <= 0 <= self.high


def measure_memory(
    contenders: Sequence[Contender],
    sources: Sources,
    sequences: Sequence[NDArray[np.int64]],
    *,
    calls: int,
    threads: int,
    save: Callable[[list[dict[str, Any]], list[Outcome]], None],
    progress: ProgressCallback | None = None,
) -> None:
    """Let each contender score the sequences in turn, `calls` in all, alone on the machine; `save` each result."""
    every = max(1, calls // _SAMPLES)
    for done, contender in enumerate(contenders, start=1):
        team = Team()
        worker = team.add(contender, sources, threads=threads)
        rows = []
        if worker is not None:
            loaded = worker.loaded_peak
            answer = team.ask(worker, "soak", sequences=[ids.tolist() for ids in sequences], calls=calls, every=every)
            if answer is not None:
                rows.append(_row(contender.key, loaded, answer, calls=calls, every=every, threads=threads))
        team.close()
        save(rows, list(team.outcomes.values()))
        if progress is not None:
            progress(Progress(done, len(contenders)))


def fit_slope(resident: Sequence[int], *, every: int, seed: int = 0) -> Slope:
    """Return the slope of resident bytes sampled each `every` calls, the first tenth left out.

    The interval is by a moving block bootstrap of the residuals (Künsch 1989, https://doi.org/10.1214/aos/1176347265),
    since neighbouring samples of a process's size are nearly equal: 2,000 resamples, blocks of 10.
    """
    values = np.array(resident[int(len(resident) * _SETTLING) :], np.float64)
    calls = np.arange(len(values), dtype=np.float64) * every
    centred = calls - calls.mean()
    weights = centred / np.square(centred).sum()
    # Centred first, so that a size that never changes has a slope of exactly zero.
    deviations = values - values.mean()
    slope = float(weights @ deviations)
    residuals = deviations - slope * centred
    block = min(_BLOCK, len(values))
    random = np.random.default_rng(seed)
    starts = random.integers(0, len(values) - block + 1, (_RESAMPLES, -(-len(values) // block)))
    places = (starts[:, :, np.newaxis] + np.arange(block)).reshape(_RESAMPLES, -1)[:, : len(values)]
    low, high = np.percentile(slope + residuals[places] @ weights, [2.5, 97.5])
    return Slope(bytes_a_call=slope, low=float(low), high=float(high), samples=len(values))


def memory_content(
    head: Mapping[str, Any],
    settings: Mapping[str, Any],
    rows: Sequence[dict[str, Any]],
    outcomes: Sequence[Outcome],
    old: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the JSON values of a result: what `old` holds and these, the newer where both have a contender."""
    merged = {row["key"]: row for row in (old["summary"] if old else [])} | {row["key"]: row for row in rows}
    contenders = merge_contenders(old["contenders"] if old else [], [outcome.fields() for outcome in outcomes])
    return {**head, "settings": dict(settings), "contenders": contenders, "summary": list(merged.values())}


def _row(
    key: str, loaded: int | None, answer: Mapping[str, Any], *, calls: int, every: int, threads: int
) -> dict[str, Any]:
    resident = answer["resident"]
    row: dict[str, Any] = {
        "key": key,
        "threads": threads,
        "calls": calls,
        "loaded_peak": loaded,
        "peak": answer["peak"],
        "slope": None,
        "resident": resident,
    }
    if len(resident) > 2:
        slope = fit_slope(resident, every=every)
        row["slope"] = {
            "bytes_a_call": round(slope.bytes_a_call, 3),
            "low": round(slope.low, 3),
            "high": round(slope.high, 3),
            "samples": slope.samples,
            "zero_inside": slope.zero_inside,
        }
    return row
