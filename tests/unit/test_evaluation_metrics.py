"""Every metric against cases worked out by hand, and the identities that hold between them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibe_router_tools.evaluation.baselines import always_cloud, always_device, length_scores, random_at, ranked_at
from vibe_router_tools.evaluation.bootstrap import bootstrap
from vibe_router_tools.evaluation.curve import (
    average_gap_recovered,
    cloud_share_for_gap,
    quality_curve,
    utility_curve,
)
from vibe_router_tools.evaluation.logistic import calibrated_from_raw, logit, raw_from_calibrated, sigmoid
from vibe_router_tools.evaluation.metrics import (
    auc,
    best_utility,
    brier,
    negative_log_likelihood,
    route,
    routing_metrics,
)
from vibe_router_tools.evaluation.reliability import (
    Binning,
    chance_calibration_error,
    expected_calibration_error,
    reliability_bins,
)

P = np.array([0.9, 0.2, 0.5, 1.0])
SCORES = np.array([0.8, 0.6, 0.3, 0.1])

rows = st.lists(st.tuples(st.sampled_from([0.1, 0.25, 0.5, 0.7, 0.9]), st.floats(0, 1)), min_size=1, max_size=40).map(
    lambda pairs: (np.array([a for a, _ in pairs]), np.array([b for _, b in pairs]))
)


def test_routing_metrics_by_hand() -> None:
    metrics = routing_metrics(route(SCORES, 0.5), P)
    assert metrics.utility == pytest.approx((0.9 + 0.2 + 0.5 + 0.0) / 4)
    assert metrics.regret == pytest.approx((0.9 + 0.8 + 0.5 + 1.0) / 4 - 0.4)
    assert metrics.cloud_rate == 0.5
    assert metrics.catastrophic_miss == 0.25


def test_catastrophic_miss_includes_its_bound() -> None:
    kept = np.zeros(2, dtype=np.bool_)
    assert routing_metrics(kept, np.array([0.9, 0.89])).catastrophic_miss == 0.5
    assert routing_metrics(kept, np.array([0.9, 0.89]), miss_bound=0.8).catastrophic_miss == 1.0


def test_routing_is_strictly_above_the_threshold() -> None:
    assert route(np.array([0.5, np.nextafter(0.5, 1)]), 0.5).tolist() == [False, True]


@given(rows, st.floats(0, 1))
def test_identities(data: tuple[np.ndarray, np.ndarray], threshold: float) -> None:
    scores, preference = data
    assert always_cloud(preference).utility + always_device(preference).utility == pytest.approx(1)
    metrics = routing_metrics(route(scores, threshold), preference)
    assert metrics.regret == pytest.approx(best_utility(preference) - metrics.utility)
    assert metrics.regret >= -1e-12
    everything = routing_metrics(np.ones(len(scores), dtype=np.bool_), preference)
    assert everything.utility == pytest.approx(always_cloud(preference).utility)
    nothing = routing_metrics(np.zeros(len(scores), dtype=np.bool_), preference)
    assert nothing.utility == pytest.approx(always_device(preference).utility)
    assert nothing.catastrophic_miss == pytest.approx(always_device(preference).catastrophic_miss)


@given(rows, st.floats(0, 1))
def test_no_metric_depends_on_the_order_of_rows(data: tuple[np.ndarray, np.ndarray], rate: float) -> None:
    scores, preference = data
    order = np.random.default_rng(0).permutation(len(scores))
    for metric in (
        auc,
        expected_calibration_error,
        lambda s, p: average_gap_recovered(utility_curve(s, p)),
        lambda s, p: ranked_at(rate, s, p).utility,
    ):
        before, after = metric(scores, preference), metric(scores[order], preference[order])
        if not abs(np.mean(2 * preference - 1)) < 1e-6:  # the gap recovered is ill-conditioned there
            assert after == pytest.approx(before, nan_ok=True)


def test_random_baseline_is_the_mean_over_all_choices() -> None:
    expected = random_at(0.5, P)
    choices = [
        routing_metrics(np.array([bool(mask >> bit & 1) for bit in range(4)]), P)
        for mask in range(16)
        if mask.bit_count() == 2
    ]
    assert expected.utility == pytest.approx(np.mean([choice.utility for choice in choices]))
    assert expected.regret == pytest.approx(np.mean([choice.regret for choice in choices]))
    assert expected.catastrophic_miss == pytest.approx(np.mean([choice.catastrophic_miss for choice in choices]))


def test_ranked_baseline_agrees_with_routing_where_nothing_is_tied() -> None:
    assert vars(ranked_at(0.5, SCORES, P)) == pytest.approx(vars(routing_metrics(route(SCORES, 0.5), P)))


def test_ranked_baseline_on_equal_scores_is_the_random_one() -> None:
    assert vars(ranked_at(0.3, np.ones(4), P)) == pytest.approx(vars(random_at(0.3, P)))


def test_length_scores_count_characters() -> None:
    assert length_scores(("hi", "é🙂")).tolist() == [2, 2]


def test_auc_by_hand() -> None:
    preference = np.array([0.9, 0.8, 0.5, 0.1, 0.2])
    assert auc(np.array([0.9, 0.4, 0.99, 0.5, 0.1]), preference) == pytest.approx(3 / 4)
    assert auc(np.array([0.5, 0.4, 0.99, 0.5, 0.1]), preference) == pytest.approx(2.5 / 4)
    assert math.isnan(auc(np.array([0.5]), np.array([0.9])))


def test_brier_and_likelihood_by_hand() -> None:
    assert brier(np.array([0.8, 0.5]), np.array([1.0, 0.25])) == pytest.approx((0.04 + 0.0625) / 2)
    expected = (-math.log(0.8) - 0.25 * math.log(0.5) - 0.75 * math.log(0.5)) / 2
    assert negative_log_likelihood(np.array([0.8, 0.5]), np.array([1.0, 0.25])) == pytest.approx(expected)
    assert math.isfinite(negative_log_likelihood(np.array([0.0]), np.array([1.0])))


def test_calibration_error_by_hand() -> None:
    scores, preference = np.array([0.1, 0.2, 0.6, 0.9]), np.array([0.0, 0.5, 0.5, 1.0])
    # Two bins of two: |0.15 - 0.25| and |0.75 - 0.75|, half the rows each.
    assert expected_calibration_error(scores, preference, bins=2) == pytest.approx(0.05)
    # Three widths: {0.1, 0.2}, {0.6}, {0.9}.
    wide = expected_calibration_error(scores, preference, bins=3, binning=Binning.EQUAL_WIDTH)
    assert wide == pytest.approx(0.5 * 0.1 + 0.25 * 0.1 + 0.25 * 0.1)


def test_chance_calibration_error_by_hand() -> None:
    scores, preference = np.array([0.1, 0.2, 0.6, 0.9]), np.array([0.0, 0.5, 0.5, 1.0])
    # Residuals -0.1, 0.3 and -0.1, 0.1: sample deviations 0.4 / sqrt(2) and 0.2 / sqrt(2), bins of two.
    expected = math.sqrt(2 / math.pi) * (0.4 + 0.2) / 2 / 2
    assert chance_calibration_error(scores, preference, bins=2) == pytest.approx(expected)
    # Bins of one prompt cannot show any scatter.
    wide = chance_calibration_error(scores, preference, bins=3, binning=Binning.EQUAL_WIDTH)
    assert wide == pytest.approx(math.sqrt(2 / math.pi) * 0.4 / 2 / 2)
    assert math.isnan(chance_calibration_error(scores, preference, bins=4))


@pytest.mark.parametrize("binning", Binning)
def test_scores_without_error_have_the_calibration_error_of_chance(binning: Binning) -> None:
    generator = np.random.default_rng(0)
    scores = generator.uniform(0.2, 0.9, 2000)
    draws = [(generator.random(len(scores)) < scores).astype(float) for _ in range(60)]
    seen = np.mean([expected_calibration_error(scores, labels, binning=binning) for labels in draws])
    foretold = np.mean([chance_calibration_error(scores, labels, binning=binning) for labels in draws])
    assert foretold == pytest.approx(seen, rel=0.05)


def test_equal_count_bins_share_out_ties_and_differ_by_at_most_one() -> None:
    bins = reliability_bins(np.full(5, 0.4), np.array([1.0, 1.0, 0.0, 0.0, 0.0]), bins=2)
    assert [row.count for row in bins] == [3, 2]
    assert [row.mean_preference for row in bins] == pytest.approx([0.4, 0.4])


def test_equal_width_bins_close_the_last_and_open_the_others() -> None:
    scores = np.array([0.0, 0.5, 1.0])
    bins = reliability_bins(scores, scores, bins=2, binning=Binning.EQUAL_WIDTH)
    assert [row.count for row in bins] == [1, 2]


def test_no_gap_is_recovered_where_rounding_alone_makes_one() -> None:
    preference = np.array([0.3, 0.3, 0.9] * 7)
    curve = utility_curve(np.random.default_rng(0).random(21), preference)
    assert 0 < curve.quality[-1] - curve.quality[0] < 1e-15
    assert np.isnan(average_gap_recovered(curve))
    assert np.isnan(cloud_share_for_gap(curve, 0.5))


def test_gap_recovered_by_hand() -> None:
    device, cloud = np.array([0.0, 1.0, 0.0]), np.array([1.0, 1.0, 1.0])
    best = quality_curve(np.array([3.0, 1.0, 2.0]), device, cloud)
    assert best.quality == pytest.approx([1 / 3, 2 / 3, 1, 1])
    # PGR is 0, 1/2, 1, 1 at shares 0, 1/3, 2/3, 1.
    assert average_gap_recovered(best) == pytest.approx((0.25 + 0.75 + 1) / 3)
    assert cloud_share_for_gap(best, 0.5) == pytest.approx(1 / 3)
    assert cloud_share_for_gap(best, 0.8) == pytest.approx(1 / 3 + 0.6 / 3)
    assert cloud_share_for_gap(best, 1.0) == pytest.approx(2 / 3)


def test_equal_scores_recover_what_chance_recovers() -> None:
    curve = quality_curve(np.zeros(3), np.array([0.0, 1.0, 0.0]), np.ones(3))
    assert average_gap_recovered(curve) == pytest.approx(0.5)
    assert cloud_share_for_gap(curve, 0.8) == pytest.approx(0.8)
    assert curve.at(0.25) == pytest.approx(1 / 3 + 0.25 * 2 / 3)


def test_gap_recovered_is_unknown_where_the_cloud_is_no_better() -> None:
    curve = quality_curve(np.array([1.0, 2.0]), np.array([0.5, 0.5]), np.array([1.0, 0.0]))
    assert math.isnan(average_gap_recovered(curve))
    assert math.isnan(cloud_share_for_gap(curve, 0.5))


def test_bootstrap_is_seeded_and_close_to_the_normal_interval() -> None:
    values = np.random.default_rng(1).normal(size=400)

    def mean(indices: np.ndarray) -> np.ndarray:
        return np.array([np.mean(values[indices]), np.nan])

    first, unknown = bootstrap(mean, 400, seed=7)
    assert (first, unknown.low) == (bootstrap(mean, 400, seed=7)[0], pytest.approx(np.nan, nan_ok=True))
    assert first != bootstrap(mean, 400, seed=8)[0]
    error = np.std(values) / 20
    assert first.value == np.mean(values)
    assert first.low == pytest.approx(first.value - 1.96 * error, abs=0.2 * error)
    assert first.high == pytest.approx(first.value + 1.96 * error, abs=0.2 * error)


@given(st.floats(-8, 8), st.floats(0.5, 3))
def test_temperature_scaling_and_back(z: float, temperature: float) -> None:
    assert logit(sigmoid(z)) == pytest.approx(z, abs=1e-7)
    calibrated = calibrated_from_raw(sigmoid(z), temperature)
    assert float(raw_from_calibrated(calibrated, temperature)) == pytest.approx(float(sigmoid(z)), abs=1e-7)


def test_published_threshold_moves_with_the_temperature() -> None:
    assert float(calibrated_from_raw(0.95, 1.083)) == pytest.approx(0.938, abs=5e-4)


@pytest.mark.parametrize("scores", [np.array([]), np.ones(3)])
def test_shapes_are_checked(scores: np.ndarray) -> None:
    for metric in (auc, brier, negative_log_likelihood, expected_calibration_error, utility_curve):
        with pytest.raises(ValueError):  # noqa: PT011 - any wording will do
            metric(scores, scores[:2])
