"""The teacher's parts mixed into one score and brought to the scale of the labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from nano.exam_teacher import PartLogits
from vibe_router_tools.evaluation.logistic import FloatArray, logit, sigmoid
from vibe_router_tools.evaluation.metrics import negative_log_likelihood

MARGIN_SHARE, QUALITY_SHARE = 0.2, 0.5
"""The margin-weighted part's share of what is fitted to the preference, and the share of the part fitted to the
qualities in the whole; chosen by cross-validation (docs/nano.md)."""


class Mix:
    """The mix, and the curve that makes p of it.

    mixed = (1 - q) ((1 - s) plain + s weighted) + q qualities, each standardised; p is a `LiftedLogistic` of it. Means,
    standard deviations and the curve come from out-of-fold logits and labels, nine numbers from n rows, so in-sample is
    honest.
    """

    def __init__(
        self,
        fitted: PartLogits,
        preference: FloatArray,
        *,
        margin_share: float = MARGIN_SHARE,
        quality_share: float = QUALITY_SHARE,
    ) -> None:
        """Fit to out-of-fold logits and the measured p_teacher, float [n]; the shares are s and q."""
        preferred = 1.0 - quality_share
        self._shares = np.array([preferred * (1.0 - margin_share), preferred * margin_share, quality_share])
        parts = _stacked(fitted)
        self._mean, self._deviation = parts.mean(axis=1, keepdims=True), parts.std(axis=1, keepdims=True)
        self.curve = fit_lifted_logistic(self.mixed(fitted), preference)

    def preference(self, logits: PartLogits) -> FloatArray:
        """Return p, float64 [n] in 0..1, for the logits of any texts."""
        return self.curve(self.mixed(logits))

    def mixed(self, logits: PartLogits) -> FloatArray:
        """Return the mix, float64 [n], before the curve."""
        standardised = (_stacked(logits) - self._mean) / self._deviation
        return np.asarray(self._shares @ standardised, dtype=np.float64)


@dataclass(frozen=True)
class LiftedLogistic:
    """p = floor + (1 - floor) sigmoid(slope x + offset): rising, and never below its floor.

    The three-parameter logistic curve of item response theory (Birnbaum 1968), which has it for questions that can be
    answered by guessing. Here most answers are ties, whatever the score: p falls to little below one half and stays
    there, while a plain logistic curve falls on.
    """

    slope: float
    offset: float
    floor: float

    def __call__(self, scores: FloatArray) -> FloatArray:
        """Return p, float64 [n], of scores, float [n]."""
        return self.floor + (1.0 - self.floor) * sigmoid(self.slope * scores + self.offset)


def fit_lifted_logistic(scores: FloatArray, preference: FloatArray, *, highest_floor: float = 0.9) -> LiftedLogistic:
    """Return the curve of the least cross-entropy between p(`scores`) and `preference`, both float [n].

    Found by L-BFGS-B within slope >= 0 and 0 <= floor <= `highest_floor`, from a slope of 1 and no floor.
    """

    def loss(values: FloatArray) -> tuple[float, FloatArray]:
        curve = LiftedLogistic(*values)
        p = np.clip(curve(scores), 1e-9, 1.0 - 1e-9)
        rise = sigmoid(curve.slope * scores + curve.offset)
        by_p = (p - preference) / (p * (1.0 - p))
        by_inner = by_p * (1.0 - curve.floor) * rise * (1.0 - rise)
        gradient = np.array([np.mean(by_inner * scores), np.mean(by_inner), np.mean(by_p * (1.0 - rise))])
        return negative_log_likelihood(p, preference), gradient

    start = np.array([1.0, float(logit(np.mean(preference))), 0.0])
    found = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0, None), (None, None), (0.0, highest_floor)],
        options={"maxiter": 1000, "ftol": 1e-14, "gtol": 1e-9},
    )
    return LiftedLogistic(*map(float, found.x))


def _stacked(logits: PartLogits) -> FloatArray:
    return np.stack([logits.plain, logits.weighted, logits.qualities])
