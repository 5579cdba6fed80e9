"""Judge one router on labelled prompts: every figure of the model card, each with its bootstrap interval."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from vibe_router.progress import ProgressCallback
from vibe_router_tools.evaluation.baselines import length_scores, random_at, ranked_at
from vibe_router_tools.evaluation.bootstrap import Interval, bootstrap
from vibe_router_tools.evaluation.curve import average_gap_recovered, cloud_share_for_gap, quality_curve
from vibe_router_tools.evaluation.dataset import LabelledPrompts
from vibe_router_tools.evaluation.defaults import (
    BINS,
    CARD_THRESHOLDS,
    CONFIDENCE,
    MISS_BOUND,
    RESAMPLES,
    Binning,
)
from vibe_router_tools.evaluation.groups import GroupFigures, by_group
from vibe_router_tools.evaluation.logistic import FloatArray
from vibe_router_tools.evaluation.metrics import (
    RoutingMetrics,
    auc,
    best_utility,
    brier,
    negative_log_likelihood,
    route,
    routing_metrics,
)
from vibe_router_tools.evaluation.reliability import chance_calibration_error, expected_calibration_error


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the figures depend on besides scores and labels."""

    miss_bound: float = MISS_BOUND
    bins: int = BINS
    binning: Binning = Binning.EQUAL_COUNT
    resamples: int = RESAMPLES
    confidence: float = CONFIDENCE
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """How well scores order prompts, whatever the threshold: AUC, APGR, CPT(50 %) and CPT(80 %)."""

    auc: Interval
    apgr: Interval
    cpt50: Interval
    cpt80: Interval


@dataclass(frozen=True, kw_only=True)
class CalibrationFigures:
    """How far scores are from the preference: ECE raw and calibrated, Brier and NLL calibrated."""

    ece_raw: Interval
    ece_calibrated: Interval
    brier: Interval
    nll: Interval


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    """The router at one threshold.

    `random_utility` and `length_utility` are the baselines' at the same cloud rate; `gain_over_random` and
    `gain_over_length` are the differences, with intervals of their own because both sides share the prompts.
    """

    threshold: float
    utility: Interval
    regret: Interval
    cloud_rate: Interval
    catastrophic_miss: Interval
    random_utility: Interval
    length_utility: Interval
    gain_over_random: Interval
    gain_over_length: Interval


@dataclass(frozen=True, kw_only=True)
class SourceFigures:
    """One source's prompts at the default profile; point values only, because sources may be small."""

    rows: int
    auc: float
    utility: float
    best_utility: float
    cloud_rate: float


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """All figures of one router on one file.

    `ece_by_chance` is what `calibration.ece_calibrated` would be on average if nothing but the labels' noise were left.
    """

    rows: int
    cloud_better: int
    device_better: int
    settings: Settings
    best_utility: Interval
    always_device: RoutingMetrics
    always_cloud: RoutingMetrics
    ranking: Ranking
    length_ranking: Ranking
    calibration: CalibrationFigures
    ece_by_chance: float
    profiles: Mapping[str, OperatingPoint]
    sweep: tuple[OperatingPoint, ...]
    sources: Mapping[str, SourceFigures]
    groups: Mapping[str, GroupFigures]


def evaluate(
    data: LabelledPrompts,
    scores: FloatArray,
    *,
    calibrated: FloatArray,
    raw: FloatArray,
    profiles: Mapping[str, float],
    default_profile: str,
    thresholds: Sequence[float] = CARD_THRESHOLDS,
    settings: Settings | None = None,
    progress: ProgressCallback | None = None,
) -> Evaluation:
    """Return every figure for the router that gave `scores` (float [n]) to the prompts of `data`.

    `scores` is what decisions are made of; `profiles` and `thresholds` are on its scale. `calibrated` and
    `raw` are the same scores after and before temperature scaling, for the calibration figures.
    `progress` is called during the bootstrap.

    Raises:
        ValueError: arrays of different lengths, or settings out of range.
    """
    chosen = settings or Settings()
    length = length_scores(data.prompts)
    order = np.argsort(scores, kind="stable")
    points = [*profiles.values(), *thresholds]
    statistics = _statistics(data, scores, length, order, raw=raw, calibrated=calibrated, points=points, chosen=chosen)
    intervals = _intervals(statistics, len(order), chosen, progress)
    best = next(intervals)
    ranking, length_ranking = (Ranking(**{field.name: next(intervals) for field in fields(Ranking)}) for _ in range(2))
    calibration = CalibrationFigures(**{field.name: next(intervals) for field in fields(CalibrationFigures)})
    names = [field.name for field in fields(OperatingPoint) if field.name != "threshold"]
    judged = [OperatingPoint(threshold=threshold, **{name: next(intervals) for name in names}) for threshold in points]
    return Evaluation(
        rows=len(scores),
        cloud_better=int(np.sum(data.preference > 0.5)),
        device_better=int(np.sum(data.preference < 0.5)),
        settings=chosen,
        best_utility=best,
        always_device=random_at(0.0, data.preference, miss_bound=chosen.miss_bound),
        always_cloud=random_at(1.0, data.preference, miss_bound=chosen.miss_bound),
        ranking=ranking,
        length_ranking=length_ranking,
        calibration=calibration,
        ece_by_chance=chance_calibration_error(calibrated, data.preference, bins=chosen.bins, binning=chosen.binning),
        profiles=dict(zip(profiles, judged, strict=False)),
        sweep=tuple(judged[len(profiles) :]),
        sources=_by_source(data, scores, profiles[default_profile]),
        groups=by_group(
            data,
            scores,
            profiles[default_profile],
            resamples=chosen.resamples,
            confidence=chosen.confidence,
            seed=chosen.seed,
        ),
    )


def _statistics(
    data: LabelledPrompts,
    scores: FloatArray,
    length: FloatArray,
    order: npt.NDArray[np.intp],
    *,
    raw: FloatArray,
    calibrated: FloatArray,
    points: Sequence[float],
    chosen: Settings,
) -> Callable[[npt.NDArray[np.intp]], FloatArray]:
    """Return what the bootstrap calls: every figure of the prompts at the given places of `order`."""

    def statistics(sample: npt.NDArray[np.intp]) -> FloatArray:
        index = order[sample]
        p = data.preference[index]
        qualities = data.device_quality[index], data.cloud_quality[index]
        figures = [
            best_utility(p),
            *_ranking(scores[index], p, *qualities),
            *_ranking(length[index], p, *qualities),
            *_calibration(raw[index], calibrated[index], p, chosen),
        ]
        for threshold in points:
            figures += _operating_point(scores[index], length[index], p, threshold, chosen)
        return np.array(figures)

    return statistics


def _intervals(
    statistics: Callable[[npt.NDArray[np.intp]], FloatArray],
    rows: int,
    settings: Settings,
    progress: ProgressCallback | None,
) -> Iterator[Interval]:
    """Return the bootstrap's interval of each statistic, in their order."""
    return iter(
        bootstrap(
            statistics,
            rows,
            resamples=settings.resamples,
            confidence=settings.confidence,
            seed=settings.seed,
            progress=progress,
        )
    )


def _by_source(data: LabelledPrompts, scores: FloatArray, threshold: float) -> dict[str, SourceFigures]:
    """Return the figures of each named source, in the order of the file."""
    figures: dict[str, SourceFigures] = {}
    sources = np.array([source or "" for source in data.sources])
    for source in dict.fromkeys(name for name in data.sources if name):
        here = sources == source
        preference = data.preference[here]
        metrics = routing_metrics(route(scores[here], threshold), preference)
        figures[source] = SourceFigures(
            rows=int(np.sum(here)),
            auc=auc(scores[here], preference),
            utility=metrics.utility,
            best_utility=best_utility(preference),
            cloud_rate=metrics.cloud_rate,
        )
    return figures


def _ranking(scores: FloatArray, preference: FloatArray, device: FloatArray, cloud: FloatArray) -> list[float]:
    """Return the figures of Ranking in its order."""
    curve = quality_curve(scores, device, cloud)
    return [
        auc(scores, preference),
        average_gap_recovered(curve),
        cloud_share_for_gap(curve, 0.5),
        cloud_share_for_gap(curve, 0.8),
    ]


def _calibration(raw: FloatArray, calibrated: FloatArray, preference: FloatArray, settings: Settings) -> list[float]:
    """Return the figures of CalibrationFigures in its order."""
    return [
        expected_calibration_error(raw, preference, bins=settings.bins, binning=settings.binning),
        expected_calibration_error(calibrated, preference, bins=settings.bins, binning=settings.binning),
        brier(calibrated, preference),
        negative_log_likelihood(calibrated, preference),
    ]


def _operating_point(
    scores: FloatArray, length: FloatArray, preference: FloatArray, threshold: float, settings: Settings
) -> list[float]:
    """Return the figures of OperatingPoint in its order, without the threshold."""
    router = routing_metrics(route(scores, threshold), preference, miss_bound=settings.miss_bound)
    by_chance = random_at(router.cloud_rate, preference).utility
    by_length = ranked_at(router.cloud_rate, length, preference).utility
    return [
        router.utility,
        router.regret,
        router.cloud_rate,
        router.catastrophic_miss,
        by_chance,
        by_length,
        router.utility - by_chance,
        router.utility - by_length,
    ]
