"""Durations: taken with a monotonic clock, told as median, 10th and 95th percentile."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Median, 10th and 95th percentile in milliseconds of `calls` durations.

    On a machine that is shared with others, the 10th percentile is near the time on an idle one.
    """

    calls: int
    p10_ms: float
    median_ms: float
    p95_ms: float


def summarize(seconds: Sequence[float]) -> Timing:
    """Return the summary of at least one duration, given in seconds."""
    low, median, high = (float(value) * 1e3 for value in np.percentile(seconds, [10, 50, 95]))
    return Timing(calls=len(seconds), p10_ms=low, median_ms=median, p95_ms=high)


def time_calls(
    call: Callable[[], object], *, calls: int, warm_up: int = 1, least: int = 1, limit: float = float("inf")
) -> list[float]:
    """Return the seconds of `calls` calls one after the other, after `warm_up` calls that are not timed.

    Once `limit` seconds have gone into the timed ones, only `least` of them are waited for.
    """
    for _ in range(warm_up):
        call()
    seconds: list[float] = []
    spent = 0.0
    while len(seconds) < calls and (len(seconds) < least or spent < limit):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
        spent += seconds[-1]
    return seconds
