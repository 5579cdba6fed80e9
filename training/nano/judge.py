"""Judge a student on the test split, next to its teachers, prompt length, a bag of words and the router before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from nano.languages import is_foreign
from nano.material import Material
from nano.profiles import best_threshold
from vibe_router_tools.evaluation.baselines import length_scores
from vibe_router_tools.evaluation.bootstrap import Interval, bootstrap
from vibe_router_tools.evaluation.curve import average_gap_recovered, quality_curve
from vibe_router_tools.evaluation.dataset import LabelledPrompts
from vibe_router_tools.evaluation.groups import agreement
from vibe_router_tools.evaluation.logistic import FloatArray
from vibe_router_tools.evaluation.metrics import auc
from vibe_router_tools.evaluation.reliability import expected_calibration_error
from vibe_router_training.baselines import bag_of_words

Score = Callable[[Sequence[str]], FloatArray]
"""Returns scores, float64 [n], of n prompts; higher is more for the cloud."""

_RESAMPLES = 500


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """Something that ranks prompts; `threshold` is where it decides, None to take the best on the validation split."""

    name: str
    score: Score
    threshold: float | None = None


@dataclass(frozen=True, kw_only=True)
class RatedFigures:
    """One scorer on rated prompts: rank correlation with the ratings, AUC, and share decided as rated."""

    rows: int
    rank_correlation: Interval
    auc: Interval
    agreement: Interval


@dataclass(frozen=True, kw_only=True)
class MeasuredFigures:
    """One scorer on measured rows: AUC, gap recovered; ECE of p_cloud, NaN for scorers that give no probability."""

    rows: int
    auc: Interval
    apgr: Interval
    ece: Interval


def rated_figures(scores: FloatArray, ratings: FloatArray, threshold: float) -> RatedFigures:
    """Judge `scores` against `ratings`, both float [n]; the threshold is on the scale of the scores."""

    def statistics(sample: npt.NDArray[np.intp]) -> FloatArray:
        here, wanted = scores[sample], ratings[sample]
        return np.array([_rank_correlation(here, wanted), auc(here, wanted), agreement(here, wanted, threshold)])

    correlation, ranked, agreed = bootstrap(statistics, len(scores), resamples=_RESAMPLES)
    return RatedFigures(rows=len(scores), rank_correlation=correlation, auc=ranked, agreement=agreed)


def measured_figures(scores: FloatArray, rows: LabelledPrompts, *, calibrated: bool) -> MeasuredFigures:
    """Judge `scores`, float [n], on rows with measured answers; `calibrated` says that they are probabilities."""

    def statistics(sample: npt.NDArray[np.intp]) -> FloatArray:
        here, p = scores[sample], rows.preference[sample]
        curve = quality_curve(here, rows.device_quality[sample], rows.cloud_quality[sample])
        error = expected_calibration_error(here, p) if calibrated else float("nan")
        return np.array([auc(here, p), average_gap_recovered(curve), error])

    ranked, gap, error = bootstrap(statistics, len(scores), resamples=_RESAMPLES)
    return MeasuredFigures(rows=len(scores), auc=ranked, apgr=gap, ece=error)


def verdict_figures(scores: FloatArray, rows: LabelledPrompts) -> MeasuredFigures:
    """Judge `scores`, float [n], on verdicts centred by source: only prompts of one source are compared.

    The AUC is the share of pairs, one above and one below the mean of its source, that the scores order alike. Neither
    the gap recovered nor a calibration error is defined between sources.
    """
    sources = np.array([source or "" for source in rows.sources])

    def statistics(sample: npt.NDArray[np.intp]) -> FloatArray:
        pairs = won = 0.0
        for source in sorted(set(sources[sample])):
            here = sample[sources[sample] == source]
            above = rows.preference[here] > 0.5
            between = float(np.sum(above) * np.sum(~above))
            if between:
                pairs, won = pairs + between, won + between * auc(scores[here], rows.preference[here])
        return np.array([won / pairs if pairs else float("nan")])

    (ranked,) = bootstrap(statistics, len(scores), resamples=_RESAMPLES)
    undefined = Interval(float("nan"), float("nan"), float("nan"))
    return MeasuredFigures(rows=len(scores), auc=ranked, apgr=undefined, ece=undefined)


def judge_rated(
    scorers: Sequence[Scorer], test: LabelledPrompts, validation: LabelledPrompts
) -> dict[str, dict[str, RatedFigures]]:
    """Return figures by part of the rated test rows, and by scorer within each."""
    parts = _parts(test)
    figures: dict[str, dict[str, RatedFigures]] = {name: {} for name in parts}
    for scorer in scorers:
        scores = scorer.score(test.prompts)
        threshold = scorer.threshold
        if threshold is None:
            threshold = best_threshold(scorer.score(validation.prompts), validation.preference)
        for name, here in parts.items():
            figures[name][scorer.name] = rated_figures(scores[here], test.preference[here], threshold)
    return figures


def baselines(train: Material) -> list[Scorer]:
    """Return prompt length and a bag of words fitted to the ratings and exam rows of the training split."""
    prompts = [*train.rated.prompts, *train.exam.prompts]
    preference = np.concatenate([train.rated.preference, train.exam.preference])
    return [
        Scorer(name="prompt length", score=lambda texts: length_scores(tuple(texts))),
        Scorer(name="bag of words", score=bag_of_words(prompts, preference)),
    ]


def _parts(rows: LabelledPrompts) -> Mapping[str, npt.NDArray[np.bool_]]:
    """Return which rows are English or not, and which real or written, by script and source."""
    foreign = np.array([is_foreign(prompt) for prompt in rows.prompts])
    written = np.array([source == "written for this" for source in rows.sources])
    everything = np.ones(len(foreign), dtype=np.bool_)
    parts = {"all": everything, "real": ~written, "written for this": written, "other than English": foreign}
    return {name: here for name, here in parts.items() if np.sum(here) > 1}


def _rank_correlation(scores: FloatArray, ratings: FloatArray) -> float:
    if len(np.unique(scores)) < 2 or len(np.unique(ratings)) < 2:
        return float("nan")
    return float(spearmanr(scores, ratings).statistic)
