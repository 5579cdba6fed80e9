"""A straight line through measurements, and how sure its slope is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Two-sided 95 % of the normal distribution; there are dozens of samples.
_QUANTILE = 1.96


@dataclass(frozen=True, kw_only=True)
class Slope:
    """Change of a quantity per thousand routes, and the ends of its 95 % confidence interval."""

    per_thousand: float
    low: float
    high: float


def common_slope(runs: Sequence[Sequence[tuple[float, float]]]) -> Slope | None:
    """Return the least-squares slope that several runs share, each with a level of its own; None for too few points.

    Points are (routes, value). The residuals are taken as independent.
    """
    centred = []
    for run in runs:
        if len(run) >= 2:
            points = np.asarray(run, dtype=np.float64)
            centred.append(points - points.mean(axis=0))
    if not centred:
        return None
    x, y = np.concatenate(centred).T
    freedom = len(x) - len(centred) - 1
    spread = float(x @ x)
    if freedom < 1 or spread == 0:
        return None
    slope = float(x @ y) / spread
    residual = y - slope * x
    error = float(np.sqrt(float(residual @ residual) / freedom / spread))
    low, high = slope - _QUANTILE * error, slope + _QUANTILE * error
    return Slope(per_thousand=1000 * slope, low=1000 * low, high=1000 * high)
