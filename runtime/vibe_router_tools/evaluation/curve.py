"""Quality against the share of prompts sent to the cloud, highest scores first.

After RouteLLM (Ong et al., arXiv 2406.18665, section 3): with r(c) the mean quality when a share c of prompts
goes to the strong model, the performance gap recovered is

    PGR(c) = (r(c) - r(0)) / (r(1) - r(0)),

APGR is its mean over all c in 0..1 and CPT(x) the smallest c with PGR(c) >= x. RouteLLM averages over ten
thresholds; here the curve is integrated exactly, so that random routing has an APGR of 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vibe_router_tools.evaluation.logistic import FloatArray
from vibe_router_tools.evaluation.ties import run_starts

_ROUNDING = 1e-12
"""What rounding may leave of the difference between two equal means of numbers in 0..1."""


@dataclass(frozen=True)
class QualityCurve:
    """A polygon from cloud share 0 to 1: `share` float [k] strictly rising, `quality` float [k].

    Between two neighbouring points lies one run of equal scores. Which of its prompts go first is chance, and
    the expected quality of a random choice is the straight line between them.
    """

    share: FloatArray
    quality: FloatArray

    def at(self, share: float) -> float:
        """Return the expected quality at a cloud share in 0..1."""
        return float(np.interp(share, self.share, self.quality))


def quality_curve(scores: FloatArray, device_quality: FloatArray, cloud_quality: FloatArray) -> QualityCurve:
    """Return the curve for scores float [n] and the qualities float [n] of both models on each prompt.

    Raises:
        ValueError: no prompts, or arrays of different lengths.
    """
    if not scores.size or not scores.shape == device_quality.shape == cloud_quality.shape:
        raise ValueError("need scores and both qualities of the same prompts")
    order = np.argsort(-scores, kind="stable")
    gained = np.cumsum((cloud_quality - device_quality)[order])
    ends = np.append(run_starts(-scores[order])[1:], len(order))
    start = float(np.mean(device_quality))
    return QualityCurve(
        share=np.concatenate([[0.0], ends / len(order)]),
        quality=start + np.concatenate([[0.0], gained[ends - 1] / len(order)]),
    )


def utility_curve(scores: FloatArray, preference: FloatArray) -> QualityCurve:
    """Return the curve whose quality is the utility: p on the cloud and 1 - p on the device."""
    return quality_curve(scores, 1.0 - preference, preference)


def gap_recovered(curve: QualityCurve) -> FloatArray:
    """Return PGR at the points of the curve, float [k]; all NaN where the cloud is no better overall."""
    gap = curve.quality[-1] - curve.quality[0]
    if gap <= _ROUNDING:
        return np.full(len(curve.share), np.nan)
    return np.asarray((curve.quality - curve.quality[0]) / gap, dtype=np.float64)


def average_gap_recovered(curve: QualityCurve) -> float:
    """Return APGR = integral of PGR(c) over c in 0..1; NaN where the cloud is no better overall."""
    recovered = gap_recovered(curve)
    return float(np.sum(np.diff(curve.share) * (recovered[1:] + recovered[:-1]) / 2))


def cloud_share_for_gap(curve: QualityCurve, recovered: float) -> float:
    """Return CPT(recovered): the smallest cloud share whose PGR reaches `recovered` (0..1).

    NaN where the cloud is no better overall.
    """
    values = gap_recovered(curve)
    if np.isnan(values[0]):
        return float("nan")
    if recovered <= 0:
        return 0.0
    # Rounding may leave the last point one unit below 1, where the curve is 1 by definition.
    values[-1] = 1.0
    index = int(np.argmax(values >= recovered))
    low, high = values[index - 1], values[index]
    part = (recovered - low) / (high - low)
    return float(curve.share[index - 1] + part * (curve.share[index] - curve.share[index - 1]))
