"""How good a scorer is on labelled rows, alone and beside another one, each figure with its interval."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vibe_router_tools.evaluation.bootstrap import Interval, bootstrap
from vibe_router_tools.evaluation.curve import average_gap_recovered, quality_curve
from vibe_router_tools.evaluation.dataset import LabelledPrompts
from vibe_router_tools.evaluation.logistic import FloatArray
from vibe_router_tools.evaluation.metrics import auc
from vibe_router_tools.evaluation.reliability import chance_calibration_error, expected_calibration_error
from vibe_router_training.data import take


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One scorer on one set of rows, each figure with its 95 % bootstrap interval.

    `auc` over rows whose answers differ in quality, `apgr` over all rows, `ece` in 15 equal-count bins against
    p_teacher, `ece_by_chance` what the labels' noise alone would make of it on average. Both are None for scores that
    are no probabilities, the latter also where no bin has two rows to tell the noise from.
    """

    scorer: str
    rows: int
    unequal_rows: int
    auc: Interval
    apgr: Interval
    ece: Interval | None
    ece_by_chance: float | None


@dataclass(frozen=True, kw_only=True)
class Lead:
    """By how much one scorer ranks better than another one on the same rows, with 95 % bootstrap intervals.

    Both are judged on the same samples, so that what a sample does to both does not widen the interval.
    """

    auc: Interval
    apgr: Interval


def figures(scorer: str, data: LabelledPrompts, scores: FloatArray, *, probabilities: bool = True) -> Figures:
    """Judge `scores`, float [n], on labelled rows; ECE only if they are `probabilities`."""

    def statistics(sample: npt.NDArray[np.intp]) -> FloatArray:
        ece = expected_calibration_error(scores[sample], data.preference[sample]) if probabilities else math.nan
        return np.array([*_ranking(data, scores, sample), ece])

    chance = chance_calibration_error(scores, data.preference) if probabilities else math.nan
    auc_interval, apgr_interval, ece_interval = bootstrap(statistics, len(scores))
    return Figures(
        scorer=scorer,
        rows=len(scores),
        unequal_rows=int(np.sum(data.preference != 0.5)),
        auc=auc_interval,
        apgr=apgr_interval,
        ece=ece_interval if probabilities else None,
        ece_by_chance=None if math.isnan(chance) else chance,
    )


def figures_by_source(scorer: str, data: LabelledPrompts, scores: FloatArray) -> dict[str, Figures]:
    """Return `figures` for each source apart, most rows first."""
    counts = Counter(source or "" for source in data.sources)
    result = {}
    for source, _ in counts.most_common():
        rows = [index for index, name in enumerate(data.sources) if (name or "") == source]
        result[source] = figures(scorer, take(data, rows), scores[rows])
    return result


def lead(data: LabelledPrompts, scores: FloatArray, others: FloatArray) -> Lead:
    """Return how far `scores`, float [n], rank labelled rows better than `others`, float [n]."""

    def statistics(sample: npt.NDArray[np.intp]) -> FloatArray:
        return np.subtract(_ranking(data, scores, sample), _ranking(data, others, sample))

    auc_interval, apgr_interval = bootstrap(statistics, len(scores))
    return Lead(auc=auc_interval, apgr=apgr_interval)


def _ranking(data: LabelledPrompts, scores: FloatArray, sample: npt.NDArray[np.intp]) -> tuple[float, float]:
    """Return AUC and APGR of the rows in `sample`."""
    chosen = scores[sample]
    curve = quality_curve(chosen, data.device_quality[sample], data.cloud_quality[sample])
    return auc(chosen, data.preference[sample]), average_gap_recovered(curve)
