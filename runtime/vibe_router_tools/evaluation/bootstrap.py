"""Percentile bootstrap: the interval in which a figure would lie on another sample of prompts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vibe_router.progress import Progress, ProgressCallback
from vibe_router_tools.evaluation.defaults import CONFIDENCE, RESAMPLES
from vibe_router_tools.evaluation.logistic import FloatArray


@dataclass(frozen=True)
class Interval:
    """A figure with the ends of its confidence interval; the ends are NaN where it could not be computed."""

    value: float
    low: float
    high: float


def bootstrap(
    statistics: Callable[[npt.NDArray[np.intp]], FloatArray],
    rows: int,
    *,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> tuple[Interval, ...]:
    """Return one interval for each figure that `statistics` gives.

    `statistics` maps row indices int [rows] to figures float [k]. It is called on all rows in order for the
    values, then on `resamples` samples drawn with replacement; the ends are the (1 - confidence) / 2 and
    (1 + confidence) / 2 quantiles over the samples (Efron and Tibshirani 1993, chapter 13). Samples on which
    a figure is NaN are left out of its interval. The same seed gives the same intervals. Percentile intervals
    of a figure that is biased upwards in small samples, such as ECE, are shifted upwards with it.

    `progress` is called after each sample.

    Raises:
        ValueError: no rows, fewer than two resamples, or a confidence outside 0..1.
    """
    if rows < 1 or resamples < 2 or not 0 < confidence < 1:
        raise ValueError(f"cannot resample {rows} rows {resamples} times at confidence {confidence}")
    values = statistics(np.arange(rows))
    generator = np.random.default_rng(seed)
    samples = np.empty((resamples, len(values)))
    for index in range(resamples):
        # Sorted indices draw the same sample and leave presorted rows presorted, which makes sorting cheap.
        samples[index] = statistics(np.sort(generator.integers(0, rows, size=rows)))
        if progress is not None:
            progress(Progress(index + 1, resamples))
    tail = (1.0 - confidence) / 2
    return tuple(_interval(float(value), column, tail) for value, column in zip(values, samples.T, strict=True))


def _interval(value: float, samples: FloatArray, tail: float) -> Interval:
    known = samples[~np.isnan(samples)]
    if np.isnan(value) or not known.size:
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(known, [tail, 1.0 - tail])
    return Interval(value, float(low), float(high))
