"""Choose a threshold on one part of a sample, check it on the other, and refuse what cannot be promised."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np

from vibe_router.errors import DataError
from vibe_router_tools.calibration.confidence import (
    Share,
    lower_bound,
    prompts_for_rate,
    prompts_for_zero,
    quantile_ranks,
    two_sided,
    upper_bound,
)
from vibe_router_tools.calibration.histogram import edges
from vibe_router_tools.calibration.sample import ScoreSample
from vibe_router_tools.evaluation.defaults import CONFIDENCE, TOLERANCE
from vibe_router_tools.evaluation.percent import percent


class Goal(str, Enum):
    """What the threshold is chosen for."""

    CLOUD_RATE = "target-cloud-rate"
    CATASTROPHIC_MISS = "max-catastrophic-miss"


@dataclass(frozen=True, kw_only=True)
class ThresholdChoice:
    """A threshold on the scale of the scores with what is known about it.

    `chosen` is the promised share (cloud rate or catastrophic miss) on the part that it was chosen on and
    `checked` on the held-out part, each with its interval; `cloud_rate` is the held-out cloud rate.
    `threshold_low` and `threshold_high` enclose the threshold that all prompts of this kind would give; they
    are None for a catastrophic-miss goal, where the threshold is a bound and not an estimate.
    """

    goal: Goal
    target: float
    tolerance: float | None
    confidence: float
    threshold: float
    threshold_low: float | None
    threshold_high: float | None
    chosen: Share
    checked: Share
    cloud_rate: Share


def choose_for_cloud_rate(
    sample: ScoreSample, target: float, *, tolerance: float = TOLERANCE, confidence: float = CONFIDENCE
) -> ThresholdChoice:
    """Return the threshold above which a share `target` of prompts like these lies.

    Promise: with `confidence`, the true cloud rate is within target +- tolerance. It is given where the exact
    binomial interval of the part chosen on lies inside that range (see confidence.py) and the interval of the
    held-out part does not lie outside it, both wider by the sample's rank error. The held-out part must be large
    enough to see an error of twice the tolerance. Of the thresholds that give the nearest rate the middle one is taken.

    Raises:
        DataError: too few prompts (the message says how many are needed); too many equal scores for any
            threshold to come near the target; or the held-out part contradicts the promise.
        MissingExtraError: scipy is not installed.
        ValueError: target, tolerance or confidence out of range.
    """
    if not 0 < target < 1 or not 0 < tolerance < 1 or not 0 < confidence < 1:
        raise ValueError("target, tolerance and confidence must lie between 0 and 1")
    _require_prompts(
        sample,
        choose=prompts_for_rate(target, tolerance, confidence),
        check=prompts_for_rate(target, 2 * tolerance, confidence),
        promise=f"a cloud rate of {target:.12g} within {tolerance:.12g} at {percent(confidence)} confidence",
    )
    total = sample.choose.scores.total
    above = sample.choose.scores.above_edges()
    distance = np.abs(above / total - target)
    nearest = np.flatnonzero(above == above[int(np.argmin(distance))])
    index = int(nearest[len(nearest) // 2])
    chosen = two_sided(int(above[index]), total, confidence).widened(sample.rank_error)
    if chosen.low < target - tolerance or chosen.high > target + tolerance:
        raise DataError(
            f"no threshold keeps the cloud rate within {tolerance:.12g} of {target:.12g}: the nearest sends "
            f"{chosen.value:.3f} [{chosen.low:.3f}, {chosen.high:.3f}]",
            hint="too many prompts have the same score; give more varied prompts or a wider --tolerance",
        )
    checked = _held_out_rate(sample, index, confidence)
    if checked.high < target - tolerance or checked.low > target + tolerance:
        raise _contradicted(f"its cloud rate is {checked.value:.3f} [{checked.low:.3f}, {checked.high:.3f}]")
    low_rank, high_rank = quantile_ranks(total, 1.0 - target, confidence)
    wrong = math.ceil(sample.rank_error * total)
    low, high = sample.choose.scores.enclosing_edges(max(low_rank - wrong, 1), min(high_rank + wrong, total))
    return ThresholdChoice(
        goal=Goal.CLOUD_RATE,
        target=target,
        tolerance=tolerance,
        confidence=confidence,
        threshold=float(edges()[index]),
        threshold_low=low,
        threshold_high=high,
        chosen=chosen,
        checked=checked,
        cloud_rate=checked,
    )


def choose_for_catastrophic_miss(
    sample: ScoreSample, target: float, *, confidence: float = CONFIDENCE
) -> ThresholdChoice:
    """Return the highest threshold at which catastrophic misses stay at or below a share `target` of prompts.

    A catastrophic miss is a prompt with p_teacher >= sample.miss_bound that stays on the device; the share
    is of all prompts. Promise: with `confidence`, the true share is at most `target`. Thresholds are tried
    from the lowest up while the one-sided exact binomial bound of the part chosen on is at most `target`;
    because the order is fixed and the first failure ends it, no correction for trying many is needed
    (fixed-sequence testing, Angelopoulos et al., Learn then Test, arXiv 2110.01052). The held-out part must
    not prove more than `target` and must be large enough that none found would prove twice the target.

    Raises:
        DataError: prompts without labels or no severe prompt among them; too few prompts (the message says
            how many are needed); or the held-out part contradicts the promise.
        MissingExtraError: scipy is not installed.
        ValueError: target or confidence out of range.
    """
    if not 0 < target < 0.5 or not 0 < confidence < 1:
        raise ValueError("target must lie between 0 and 0.5, confidence between 0 and 1")
    _require_labels(sample)
    _require_prompts(
        sample,
        choose=prompts_for_zero(target, confidence),
        check=prompts_for_zero(2 * target, confidence),
        promise=f"at most {target:.12g} catastrophic misses at {percent(confidence)} confidence",
    )
    if not sample.choose.severe.total:
        raise DataError(
            f"one class only: no prompt to choose on has p_teacher >= {sample.miss_bound:g}",
            hint="add prompts on which the cloud is much better; without them nothing can be missed",
        )
    total = sample.choose.scores.total
    missed = sample.choose.severe.total - sample.choose.severe.above_edges()
    allowed = _most_allowed(total, target, confidence)
    index = int(np.searchsorted(missed, allowed, side="right")) - 1
    if index < 0:
        raise DataError(
            f"even the lowest threshold misses {int(missed[0])} severe prompts of {total}",
            hint="this router cannot promise so few misses; send everything to the cloud",
        )
    chosen = Share(int(missed[index]), total, 0.0, upper_bound(int(missed[index]), total, confidence))
    held_out = sample.check.severe.total - int(sample.check.severe.above_edges()[index])
    checked = two_sided(held_out, sample.check.scores.total, confidence)
    if lower_bound(held_out, checked.total, confidence) > target:
        raise _contradicted(f"{held_out} of {checked.total} prompts are catastrophic misses")
    return ThresholdChoice(
        goal=Goal.CATASTROPHIC_MISS,
        target=target,
        tolerance=None,
        confidence=confidence,
        threshold=float(edges()[index]),
        threshold_low=None,
        threshold_high=None,
        chosen=chosen,
        checked=checked,
        cloud_rate=_held_out_rate(sample, index, confidence),
    )


def _most_allowed(total: int, target: float, confidence: float) -> int:
    """Return the largest count of misses whose upper bound is at most target; 0 is known to be allowed."""
    low, high = 0, total
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if upper_bound(middle, total, confidence) <= target else (low, middle)
    return low


def _held_out_rate(sample: ScoreSample, index: int, confidence: float) -> Share:
    above = sample.check.scores.above_edges()
    return two_sided(int(above[index]), sample.check.scores.total, confidence).widened(sample.rank_error)


def _require_labels(sample: ScoreSample) -> None:
    if sample.labelled < sample.total:
        raise DataError(
            f"{sample.total - sample.labelled} of {sample.total} prompts have no label",
            hint="a bound on catastrophic misses needs labelled prompts",
        )


def _require_prompts(sample: ScoreSample, *, choose: int, check: int, promise: str) -> None:
    choosing, checking = sample.choose.scores.total, sample.check.scores.total
    if choosing >= choose and checking >= check:
        return
    share = sample.held_out_share
    # A tenth more, because the split by hash meets its share only on average.
    needed = math.ceil(1.1 * max(choose / (1.0 - share), check / share))
    raise DataError(
        f"{sample.total} prompts are too few to promise {promise}: about {needed} are needed "
        f"({choosing} of {choose} to choose on, {checking} of {check} to check on)",
        hint=f"give about {needed} different prompts, or ask for less",
    )


def _contradicted(found: str) -> DataError:
    return DataError(
        f"the held-out prompts contradict the threshold: {found}",
        hint="the prompts do not come from one source in random order; give a larger, more even sample",
    )
