"""Scores counted in a fixed grid: constant memory however long the stream, and the sum of two is one of both.

The grid is even in logit space: 2^16 bins, their 2^16 - 1 inner edges 2^-11 = 0.00049 apart from -16 to 16;
the outer bins are open. In probability an edge is at most 0.00012 from the next. Edges are the only
thresholds that are ever chosen, and a bin holds exactly the scores above its lower edge and not above its
upper one. So the count above an edge is the number of prompts that the runtime, which compares strictly,
would send to the cloud: the grid limits which thresholds can be chosen, not how exactly they are judged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vibe_router_tools.evaluation.logistic import FloatArray, sigmoid

BINS = 2**16
LOGIT_STEP = 2.0**-11

CountArray = npt.NDArray[np.int64]


def edges() -> FloatArray:
    """Return the inner edges as scores, float64 [BINS - 1], rising."""
    # Rounded (edges are at least 5e-11 apart), because the last digits of exp differ between machines.
    return np.round(sigmoid((np.arange(1, BINS) - BINS // 2) * LOGIT_STEP), 14)


@dataclass(frozen=True)
class ScoreHistogram:
    """How many scores fell into each bin, int64 [BINS]."""

    counts: CountArray

    @staticmethod
    def empty() -> ScoreHistogram:
        """Return a histogram of no scores."""
        return ScoreHistogram(np.zeros(BINS, dtype=np.int64))

    @property
    def total(self) -> int:
        """The number of scores counted."""
        return int(self.counts.sum())

    def with_scores(self, scores: npt.ArrayLike) -> ScoreHistogram:
        """Return this histogram with more scores counted, each in 0..1.

        Raises:
            ValueError: a score is NaN or outside 0..1.
        """
        values = np.asarray(scores, dtype=np.float64)
        if not values.size:
            return self
        if not np.all((values >= 0) & (values <= 1)):
            raise ValueError("a score is not a number in 0..1")
        bins = np.searchsorted(edges(), values, side="left")
        return ScoreHistogram(self.counts + np.bincount(bins, minlength=BINS))

    def merged(self, other: ScoreHistogram) -> ScoreHistogram:
        """Return the histogram of the scores of both."""
        return ScoreHistogram(self.counts + other.counts)

    def above_edges(self) -> CountArray:
        """Return how many scores lie strictly above each inner edge, int64 [BINS - 1], falling."""
        return np.asarray(self.total - np.cumsum(self.counts[:-1]), dtype=np.int64)

    def enclosing_edges(self, low_rank: int, high_rank: int) -> tuple[float, float]:
        """Return the nearest edges (or 0, 1) around the low_rank-th to high_rank-th smallest score."""
        cumulative = np.cumsum(self.counts)
        grid = np.concatenate([[0.0], edges(), [1.0]])
        low_bin = int(np.searchsorted(cumulative, low_rank, side="left"))
        high_bin = int(np.searchsorted(cumulative, high_rank, side="left"))
        return float(grid[low_bin]), float(grid[high_bin + 1])
