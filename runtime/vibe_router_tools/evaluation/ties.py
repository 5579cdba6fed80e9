"""Equal scores: the order of their rows carries no information, so no metric may depend on it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vibe_router_tools.evaluation.logistic import FloatArray


def run_starts(ordered: FloatArray) -> npt.NDArray[np.intp]:
    """Return the indices at which a new value begins in the sorted, non-empty float [n] `ordered`."""
    return np.concatenate([[0], np.flatnonzero(np.diff(ordered)) + 1]).astype(np.intp)


def spread_over_ties(ordered: FloatArray, values: FloatArray) -> FloatArray:
    """Replace each entry of `values` by the mean over the rows that share its score in sorted `ordered`."""
    starts = run_starts(ordered)
    lengths = np.diff(np.append(starts, len(ordered)))
    means = np.add.reduceat(values, starts) / lengths
    return np.asarray(np.repeat(means, lengths), dtype=np.float64)
