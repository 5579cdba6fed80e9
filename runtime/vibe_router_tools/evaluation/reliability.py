"""Calibration of scores: reliability bins and the expected calibration error."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from vibe_router_tools.evaluation.defaults import BINS as BINS
from vibe_router_tools.evaluation.defaults import Binning as Binning
from vibe_router_tools.evaluation.logistic import FloatArray
from vibe_router_tools.evaluation.ties import spread_over_ties


@dataclass(frozen=True, kw_only=True)
class ReliabilityBin:
    """One bin that holds prompts: how many, their mean score and the mean preference p of the teacher."""

    count: int
    mean_score: float
    mean_preference: float


def reliability_bins(
    scores: FloatArray,
    preference: FloatArray,
    *,
    bins: int = BINS,
    binning: Binning = Binning.EQUAL_COUNT,
) -> tuple[ReliabilityBin, ...]:
    """Bin prompts by score (float [n], in 0..1) with their `preference` (float [n]); empty bins are left out.

    Equal-count bins differ in size by at most one; a run of equal scores that falls across a border is shared
    out with its mean preference, so that the order of the rows does not matter. Equal-width bins are the
    intervals [k / bins, (k + 1) / bins), the last one closed.

    Raises:
        ValueError: no prompts, arrays of different lengths, or fewer than one bin.
    """
    if scores.shape != preference.shape or scores.ndim != 1 or not scores.size or bins < 1:
        raise ValueError(f"cannot bin {scores.shape} scores and {preference.shape} labels into {bins} bins")
    order = np.argsort(scores, kind="stable")
    ordered, labels = scores[order], preference[order]
    edges = _edges(ordered, bins, binning)
    if binning is Binning.EQUAL_COUNT:
        labels = spread_over_ties(ordered, labels)
    return tuple(
        ReliabilityBin(
            count=int(end - start),
            mean_score=float(np.mean(ordered[start:end])),
            mean_preference=float(np.mean(labels[start:end])),
        )
        for start, end in pairwise(edges)
        if end > start
    )


def expected_calibration_error(
    scores: FloatArray,
    preference: FloatArray,
    *,
    bins: int = BINS,
    binning: Binning = Binning.EQUAL_COUNT,
) -> float:
    """Return ECE = sum over bins of (count / n) |mean score - mean preference|.

    After Naeini et al. (AAAI 2015) and Guo et al. (arXiv 1706.04599), here against the soft preference p
    instead of a hard label. The default is 15 equal-count bins.

    Raises:
        ValueError: as reliability_bins.
    """
    rows = reliability_bins(scores, preference, bins=bins, binning=binning)
    return sum(row.count * abs(row.mean_score - row.mean_preference) for row in rows) / len(scores)


def chance_calibration_error(
    scores: FloatArray,
    preference: FloatArray,
    *,
    bins: int = BINS,
    binning: Binning = Binning.EQUAL_COUNT,
) -> float:
    """Return the ECE to expect of scores without any error, from the noise of so many labels alone.

    The mean of count labels that scatter by s about their scores lies sqrt(2 / pi) s / sqrt(count) from its
    expectation on average (the mean of a half-normal distribution); ECE adds these up as it adds up true errors, and
    so is never zero on finite data (Roelofs et al., arXiv 2012.08668). s is taken from each bin, about the bin's own
    mean. A bin of one prompt shows no scatter and counts as none; NaN where all bins hold one.

    Raises:
        ValueError: as reliability_bins.
    """
    rows = reliability_bins(scores, preference, bins=bins, binning=binning)
    order = np.argsort(scores, kind="stable")
    residual = (preference - scores)[order]
    ends = np.cumsum([row.count for row in rows])
    total = math.nan if all(row.count == 1 for row in rows) else 0.0
    for row, end in zip(rows, ends, strict=True):
        if row.count > 1:
            scatter = np.std(residual[end - row.count : end], ddof=1)
            total += row.count * float(np.sqrt(2 / np.pi) * scatter / np.sqrt(row.count))
    return total / len(scores)


def _edges(ordered: FloatArray, bins: int, binning: Binning) -> npt.NDArray[np.intp]:
    """Return where each bin of the scores, ascending, begins, and where the last one ends: [bins + 1]."""
    if binning is Binning.EQUAL_COUNT:
        size, larger = divmod(len(ordered), bins)
        return np.cumsum([0, *[size + 1] * larger, *[size] * (bins - larger)])
    inner = np.searchsorted(ordered, np.arange(1, bins) / bins, side="left")
    return np.concatenate([[0], inner, [len(ordered)]])
