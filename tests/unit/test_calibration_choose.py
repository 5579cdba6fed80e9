"""Thresholds with a promise: right where there is one, refused with a number where there is not."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from vibe_router.errors import DataError
from vibe_router_tools.calibration.choose import choose_for_catastrophic_miss, choose_for_cloud_rate
from vibe_router_tools.calibration.confidence import (
    lower_bound,
    prompts_for_rate,
    prompts_for_zero,
    quantile_ranks,
    two_sided,
    upper_bound,
)
from vibe_router_tools.calibration.sample import ScoreSample, add_prompts, empty_sample

MODEL = "0" * 64


def sample(scores: np.ndarray, preferences: np.ndarray | None = None, start: int = 0) -> ScoreSample:
    labels = [None] * len(scores) if preferences is None else preferences.tolist()
    prompts = [f"prompt {start + index}" for index in range(len(scores))]
    return add_prompts(empty_sample(MODEL), prompts, scores.tolist(), labels)


def uniform(rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(rows)


@pytest.mark.parametrize(("count", "total"), [(0, 30), (7, 30), (30, 30)])
def test_bounds_are_clopper_and_pearsons(count: int, total: int) -> None:
    interval = stats.binomtest(count, total).proportion_ci(0.95, method="exact")
    share = two_sided(count, total, 0.95)
    assert (share.low, share.high) == pytest.approx((interval.low, interval.high))
    assert share.value == count / total
    # Each end is where the tail of the binomial distribution is what it should be.
    if count < total:
        assert stats.binom.cdf(count, total, upper_bound(count, total, 0.95)) == pytest.approx(0.05)
    if count:
        assert stats.binom.sf(count - 1, total, lower_bound(count, total, 0.95)) == pytest.approx(0.05)


def test_prompts_needed_are_the_fewest() -> None:
    assert prompts_for_zero(0.01, 0.95) == 299
    assert upper_bound(0, 299, 0.95) <= 0.01 < upper_bound(0, 298, 0.95)
    needed = prompts_for_rate(0.65, 0.05, 0.95)
    assert needed == pytest.approx(1.96**2 * 0.65 * 0.35 / 0.05**2, rel=0.1)
    share = two_sided(round(0.65 * needed), needed, 0.95)
    assert share.low >= 0.6
    assert share.high <= 0.7


def test_ranks_enclose_the_quantile_as_often_as_promised() -> None:
    low, high = quantile_ranks(200, 0.35, 0.95)
    inside = 0
    for seed in range(1000):
        ordered = np.sort(uniform(200, seed))
        inside += ordered[low - 1] <= 0.35 <= ordered[high - 1]
    assert 935 <= inside <= 985


def test_cloud_rate_of_uniform_scores() -> None:
    data = sample(uniform(4000))
    choice = choose_for_cloud_rate(data, 0.65)
    assert choice.threshold == pytest.approx(0.35, abs=0.02)
    assert choice.threshold_low is not None
    assert choice.threshold_high is not None
    assert choice.threshold_low < choice.threshold < choice.threshold_high
    assert choice.threshold_low < 0.35 < choice.threshold_high
    assert choice.chosen.value == pytest.approx(0.65, abs=1e-3)
    assert choice.checked.total == data.check.scores.total
    assert choice.checked.low < 0.65 < choice.checked.high


def test_the_promise_about_the_cloud_rate_is_kept() -> None:
    kept = 0
    for seed in range(200):
        choice = choose_for_cloud_rate(sample(uniform(900, seed)), 0.5)
        kept += abs((1 - choice.threshold) - 0.5) <= 0.05
    assert kept >= 190


def test_a_wide_gap_is_cut_in_its_middle() -> None:
    scores = np.concatenate([np.full(1000, 0.2), np.full(1000, 0.8)])
    choice = choose_for_cloud_rate(sample(np.random.default_rng(0).permutation(scores)), 0.5)
    assert choice.threshold == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("target", [0.65, 0.9])
def test_too_few_prompts_for_a_rate_say_how_many(target: float) -> None:
    with pytest.raises(DataError, match=r"100 prompts are too few to promise a cloud rate") as caught:
        choose_for_cloud_rate(sample(uniform(100)), target)
    needed = int(re.findall(r"about (\d+) are needed", caught.value.message)[0])
    choose_for_cloud_rate(sample(uniform(needed)), target)


def test_a_confidence_next_to_certain_is_not_said_to_be_certain() -> None:
    with pytest.raises(DataError, match=r"within 0\.04321 at 99\.9% confidence"):
        choose_for_cloud_rate(sample(uniform(100)), 0.65, tolerance=0.04321, confidence=0.999)


@pytest.mark.parametrize(
    ("target", "tolerance", "confidence"), [(0.5, 0.05, 1 - 2**-53), (0.5, 1e-17, 0.95), (0.5, 5e-324, 0.95)]
)
def test_what_no_number_of_prompts_supports_is_said(target: float, tolerance: float, confidence: float) -> None:
    with pytest.raises(DataError, match="no number of prompts"):
        choose_for_cloud_rate(sample(uniform(9)), target, tolerance=tolerance, confidence=confidence)
    with pytest.raises(DataError, match="no number of prompts"):
        choose_for_catastrophic_miss(graded(9), tolerance / 1e20 or 5e-324, confidence=confidence)


def test_equal_scores_cannot_be_divided() -> None:
    with pytest.raises(DataError, match="no threshold keeps the cloud rate"):
        choose_for_cloud_rate(sample(np.full(2000, 0.5)), 0.65)


def shifted(data: ScoreSample, other: ScoreSample) -> ScoreSample:
    """The prompts of `data` to choose on and those of `other` to check on."""
    return replace(data, check=other.check)


def test_held_out_prompts_of_another_kind_contradict() -> None:
    with pytest.raises(DataError, match="held-out prompts contradict"):
        choose_for_cloud_rate(shifted(sample(uniform(3000)), sample(uniform(3000) ** 2)), 0.65)


def graded(rows: int, seed: int = 0) -> ScoreSample:
    """Scores uniform; the preference is the score, so that severe prompts have scores above 0.9."""
    scores = uniform(rows, seed)
    return sample(scores, scores)


def test_catastrophic_misses_stay_below_the_bound() -> None:
    choice = choose_for_catastrophic_miss(graded(4000), 0.02)
    # Misses are the scores in [0.9, threshold]: the true threshold is 0.92.
    assert 0.90 < choice.threshold < 0.92
    assert choice.chosen.high <= 0.02
    assert choice.checked.low <= 0.02
    assert choice.cloud_rate.value == pytest.approx(1 - choice.threshold, abs=0.02)


def test_the_promise_about_misses_is_kept() -> None:
    kept = 0
    for seed in range(200):
        choice = choose_for_catastrophic_miss(graded(900, seed), 0.03)
        kept += max(0.0, choice.threshold - 0.9) <= 0.03
    assert kept >= 190


def test_the_highest_threshold_that_can_be_promised_is_chosen() -> None:
    data = graded(2000)
    choice = choose_for_catastrophic_miss(data, 0.02)
    assert upper_bound(choice.chosen.count + 1, choice.chosen.total, 0.95) > 0.02


def test_too_few_prompts_for_misses_say_how_many() -> None:
    with pytest.raises(DataError, match=r"are too few to promise at most 0\.01 catastrophic") as caught:
        choose_for_catastrophic_miss(graded(200), 0.01)
    needed = int(re.findall(r"about (\d+) are needed", caught.value.message)[0])
    choose_for_catastrophic_miss(graded(needed), 0.01)


def test_misses_need_labels_of_both_kinds() -> None:
    with pytest.raises(DataError, match="2000 of 2000 prompts have no label"):
        choose_for_catastrophic_miss(sample(uniform(2000)), 0.01)
    with pytest.raises(DataError, match="one class only"):
        choose_for_catastrophic_miss(sample(uniform(2000), np.full(2000, 0.1)), 0.01)


def test_severe_prompts_below_every_threshold_cannot_be_saved() -> None:
    with pytest.raises(DataError, match="even the lowest threshold"):
        choose_for_catastrophic_miss(sample(np.zeros(2000), np.ones(2000)), 0.01)


def test_held_out_misses_contradict() -> None:
    scores = uniform(3000)
    with pytest.raises(DataError, match="held-out prompts contradict"):
        choose_for_catastrophic_miss(shifted(graded(3000), sample(scores, np.ones(3000))), 0.01)


@pytest.mark.parametrize("target", [0.0, 1.0, -1.0, float("nan")])
def test_targets_out_of_range(target: float) -> None:
    data = graded(10)
    with pytest.raises(ValueError, match="must lie between"):
        choose_for_cloud_rate(data, target)
    with pytest.raises(ValueError, match="must lie between"):
        choose_for_catastrophic_miss(data, target)
