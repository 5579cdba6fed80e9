"""The router on each group of prompts: how often it decides as the labels say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vibe_router_tools.evaluation.bootstrap import Interval, bootstrap
from vibe_router_tools.evaluation.dataset import LabelledPrompts
from vibe_router_tools.evaluation.defaults import CONFIDENCE, RESAMPLES
from vibe_router_tools.evaluation.logistic import FloatArray
from vibe_router_tools.evaluation.metrics import auc, route


@dataclass(frozen=True, kw_only=True)
class GroupFigures:
    """One group's prompts at the default profile.

    `rows` counts them, `cloud_better` those with p_teacher > 0.5. `agreement` is the share decided as labelled among
    rows with unequal answers, `cloud_rate` the share sent to the cloud; `auc` is NaN in groups with one kind of label.
    """

    rows: int
    cloud_better: int
    agreement: Interval
    cloud_rate: Interval
    auc: Interval


def by_group(
    data: LabelledPrompts,
    scores: FloatArray,
    threshold: float,
    *,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> dict[str, GroupFigures]:
    """Return the figures of each named group, in the order of the file, with bootstrap intervals.

    `scores`, float [n], are on the scale of `threshold`.

    Raises:
        ValueError: settings that `bootstrap` refuses.
    """
    groups = np.array([group or "" for group in data.groups])
    return {
        group: _figures(
            scores[groups == group],
            data.preference[groups == group],
            threshold,
            resamples=resamples,
            confidence=confidence,
            seed=seed,
        )
        for group in dict.fromkeys(name for name in data.groups if name)
    }


def agreement(scores: FloatArray, preference: FloatArray, threshold: float) -> float:
    """Return the share of rows with p_teacher != 0.5 that are decided as labelled, NaN where there are none."""
    unequal = preference != 0.5
    if not np.any(unequal):
        return float("nan")
    return float(np.mean(route(scores[unequal], threshold) == (preference[unequal] > 0.5)))


def _figures(
    scores: FloatArray,
    preference: FloatArray,
    threshold: float,
    *,
    resamples: int,
    confidence: float,
    seed: int,
) -> GroupFigures:
    def statistics(sample: npt.NDArray[np.intp]) -> FloatArray:
        here, wanted = scores[sample], preference[sample]
        return np.array([agreement(here, wanted, threshold), np.mean(route(here, threshold)), auc(here, wanted)])

    agreed, rate, ranked = bootstrap(statistics, len(scores), resamples=resamples, confidence=confidence, seed=seed)
    return GroupFigures(
        rows=len(scores),
        cloud_better=int(np.sum(preference > 0.5)),
        agreement=agreed,
        cloud_rate=rate,
        auc=ranked,
    )
