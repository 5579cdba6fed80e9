"""Scores counted in a fixed grid: constant memory however long the stream, and the sum of two is one of both.

The grid has 2^16 bins over the order-preserving bits of the logit, a float32. Its bits without the sign, as an
integer, rise with its size; less those of 2^-12, kept within 0 and 16 octaves, and with the sign given back, they are
an integer that rises with the logit. 2^12 of its steps are a bin, so that a bin is 2^-11 of its octave wide: 0.0005
from 1 to 2, and at most 0.00012 as a probability. Logits beyond -16 and 16 fall into the outer bins.

Native scores are the same bits on every machine, so that their bins are, too. Edges are the only thresholds that are
ever chosen, and a bin holds exactly the scores above its lower edge and not above its upper one. So the count above an
edge is the number of prompts that the runtime, which compares strictly, would send to the cloud: the grid limits which
thresholds can be chosen, not how exactly they are judged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vibe_router_tools.evaluation.logistic import FloatArray, sigmoid

BINS = 2**16
_MIDDLE = 2**15 - 1
_LEAST = int(np.float32(2.0**-12).view(np.int32))
_OCTAVES = 16
_BITS_A_BIN = 12
_SPAN = _OCTAVES << 23

CountArray = npt.NDArray[np.int64]


def bins_of(logits: npt.ArrayLike) -> npt.NDArray[np.uint16]:
    """Return the bin of each logit, uint16 of the shape of `logits`, which are taken as float32.

    Raises:
        ValueError: a logit is NaN.
    """
    values = np.ascontiguousarray(logits, np.float32)
    if np.isnan(values).any():
        raise ValueError("a logit is not a number")
    bits = values.view(np.int32)
    size = np.clip((bits & 0x7FFFFFFF) - _LEAST, 0, _SPAN)
    ordered = np.where(bits < 0, -size, size)
    rounded_up = -(-ordered >> _BITS_A_BIN)
    return np.asarray(np.clip(rounded_up, -_MIDDLE, _MIDDLE + 1) + _MIDDLE, dtype=np.uint16)


def edge_logits() -> npt.NDArray[np.float32]:
    """Return the inner edges as logits, float32 [BINS - 1], rising: the largest logit of each bin but the last."""
    steps = np.arange(BINS - 1, dtype=np.int32) - np.int32(_MIDDLE)
    sizes = (np.abs(steps) * np.int32(1 << _BITS_A_BIN) + np.int32(_LEAST)).view(np.float32)
    return np.asarray(np.where(steps < 0, -sizes, sizes), dtype=np.float32)


def edges() -> FloatArray:
    """Return the inner edges as scores, float64 [BINS - 1], rising."""
    # Midway between an edge and the next float32, and rounded, because the last digits of exp differ between machines.
    below = edge_logits()
    above = np.nextafter(below, np.float32(np.inf))
    return np.round(sigmoid((below.astype(np.float64) + above) / 2), 14)


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
