from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.bundles import RAW_THRESHOLDS
from vibe_router import Decision, Reason, Target
from vibe_router.errors import UsageError
from vibe_router.policy import calibrate_threshold, decide, sigmoid


def decision(logit: float, *, threshold: float = 0.5, allow_cloud: bool = True) -> Decision:
    return decide(logit, threshold=threshold, tokens=3, truncated=False, engine="onnx-cpu", allow_cloud=allow_cloud)


def test_the_comparison_is_strict() -> None:
    on_it = decision(0.0, threshold=0.5)
    assert on_it.p_cloud == on_it.threshold
    assert on_it.target is Target.DEVICE
    assert decision(1e-6, threshold=0.5).target is Target.CLOUD
    assert decision(-1e-6, threshold=0.5).target is Target.DEVICE


def test_margin_and_reason_tell_how_and_why() -> None:
    scored = decision(2.0, threshold=0.25)
    assert scored.margin == scored.p_cloud - 0.25
    assert scored.reason is Reason.SCORE
    pinned = decision(2.0, threshold=0.25, allow_cloud=False)
    assert (pinned.target, pinned.reason, pinned.p_cloud) == (Target.DEVICE, Reason.PINNED, scored.p_cloud)


@given(st.floats(-1e300, 1e300))
def test_sigmoid_is_a_probability_and_symmetric(logit: float) -> None:
    assert 0.0 <= sigmoid(logit) <= 1.0
    assert sigmoid(logit) + sigmoid(-logit) == pytest.approx(1.0, abs=1e-15)


def test_sigmoid_still_orders_where_float32_is_saturated() -> None:
    assert np.float32(1) / (np.float32(1) + np.exp(np.float32(-18.0))) == 1.0
    assert sigmoid(18.0) < sigmoid(19.0) < 1.0


def test_the_published_balanced_threshold_moves_to_the_calibrated_scale() -> None:
    assert calibrate_threshold(0.95, 1.083) == pytest.approx(0.938, abs=5e-4)
    assert calibrate_threshold(0.95, 1.0) == pytest.approx(0.95, abs=1e-15)


@pytest.mark.parametrize("raw", [0.0, 1.0])
def test_the_ends_of_the_scale_stay(raw: float) -> None:
    assert calibrate_threshold(raw, 1.083) == raw


@pytest.mark.parametrize(("raw", "temperature"), [(-0.1, 1), (1.1, 1), (math.nan, 1), (0.5, 0), (0.5, math.inf)])
def test_impossible_thresholds_and_temperatures_are_refused(raw: float, temperature: float) -> None:
    with pytest.raises(UsageError):
        calibrate_threshold(raw, temperature)


@pytest.mark.parametrize("raw", RAW_THRESHOLDS.values())
@pytest.mark.parametrize("temperature", [0.37, 1.0, 1.083, 2.5])
def test_raw_and_calibrated_decisions_agree_one_float_around_each_threshold(raw: float, temperature: float) -> None:
    nearest = np.float32(math.log(raw / (1 - raw)))
    logits = [nearest]
    for _ in range(3):
        logits = [
            np.nextafter(logits[0], np.float32(-np.inf)),
            *logits,
            np.nextafter(logits[-1], np.float32(np.inf)),
        ]
    calibrated = calibrate_threshold(raw, temperature)
    by_raw_score = [sigmoid(float(z)) > raw for z in logits]
    by_calibrated_score = [sigmoid(float(z) / temperature) > calibrated for z in logits]
    assert by_raw_score == by_calibrated_score
    assert {by_raw_score[0], by_raw_score[-1]} == {False, True}, "the values do not straddle the threshold"


def test_a_target_reads_as_its_value() -> None:
    assert (str(Target.DEVICE), f"{Target.CLOUD}") == ("device", "cloud")
