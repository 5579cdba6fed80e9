"""Several runs as one result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from benchmarks.hardening.soak.run import Run
from benchmarks.hardening.soak.trend import common_slope

# The beginning of a run, in which caches and memory pools fill, is no trend; of a short run, its first half.
_WARM_UP_ROUTES = 50_000
_COUNTS = ("routes", "answered", "lost", "duplicated", "wrong", "faults", "retried", "reloads")


def parse_runs(content: dict[str, Any]) -> list[Run]:
    """Return the runs of a result that was written before."""
    names = {one.name for one in fields(Run)}
    return [Run(**{key: value for key, value in run.items() if key in names}) for run in content.get("runs", [])]


def merge_runs(runs: Sequence[Run]) -> dict[str, Any]:
    """Return totals, the slopes of memory and latency within runs, and the runs, as JSON values."""
    totals = {name: sum(getattr(run, name) for run in runs) for name in _COUNTS}
    seconds = round(sum(run.seconds for run in runs), 1)
    warm = [[sample for sample in run.samples if sample[0] > min(_WARM_UP_ROUTES, run.routes // 2)] for run in runs]
    memory = common_slope([[(sample[0], sample[1]) for sample in samples] for samples in warm])
    latency = common_slope([[(sample[0], sample[2]) for sample in samples] for samples in warm])
    return {
        **totals,
        "seconds": seconds,
        "memory_mib_per_thousand_routes": None if memory is None else asdict(memory),
        "median_ms_per_thousand_routes": None if latency is None else asdict(latency),
        "runs": [asdict(run) for run in runs],
    }
