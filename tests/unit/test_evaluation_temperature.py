"""Temperature scaling finds the temperature that spoilt the scores."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from vibe_router.errors import DataError, MissingExtraError
from vibe_router_tools.evaluation.logistic import sigmoid
from vibe_router_tools.evaluation.reliability import Binning, expected_calibration_error
from vibe_router_tools.evaluation.temperature import fit_temperature

RANDOM = np.random.default_rng(3)
TRUE_LOGITS = RANDOM.normal(0.3, 1.5, 500)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.083, 4.0])
def test_exact_soft_labels_give_the_temperature_back(temperature: float) -> None:
    fit = fit_temperature(temperature * TRUE_LOGITS, sigmoid(TRUE_LOGITS))
    assert fit.temperature == pytest.approx(temperature, rel=1e-5)
    assert fit.ece_after == pytest.approx(0, abs=1e-6)
    assert fit.nll_after <= fit.nll_before + 1e-12
    assert (fit.rows, fit.bins, fit.binning) == (500, 15, Binning.EQUAL_COUNT)


def test_nothing_near_the_fit_is_likelier() -> None:
    labels = (RANDOM.random(500) < sigmoid(TRUE_LOGITS)).astype(float)
    logits = 2 * TRUE_LOGITS
    fit = fit_temperature(logits, labels)

    def loss(temperature: float) -> float:
        return float(np.mean(np.logaddexp(0, logits / temperature) - labels * logits / temperature))

    assert fit.nll_after == pytest.approx(loss(fit.temperature))
    assert fit.nll_after < min(loss(fit.temperature * 1.01), loss(fit.temperature / 1.01))
    assert fit.temperature == pytest.approx(2, rel=0.25)
    assert fit.ece_before == expected_calibration_error(sigmoid(logits), labels)


def test_large_logits_do_not_overflow() -> None:
    logits = np.array([1e3, -1e3, 80.0, -70.0])
    fit = fit_temperature(logits, np.array([0.9, 0.1, 0.6, 0.4]), bins=2)
    assert np.isfinite([fit.temperature, fit.nll_before, fit.ece_after]).all()


def test_scores_that_say_nothing_have_no_temperature() -> None:
    with pytest.raises(DataError, match="no temperature"):
        fit_temperature(TRUE_LOGITS, sigmoid(-TRUE_LOGITS))


def test_hard_labels_without_a_contradiction_have_no_temperature() -> None:
    with pytest.raises(DataError, match=r"no temperature.* towards 0\.001$") as caught:
        fit_temperature(TRUE_LOGITS, (TRUE_LOGITS > 0).astype(np.float64))
    assert "no hard label contradicts its score" in caught.value.hint
    one_class = np.ones_like(TRUE_LOGITS)
    with pytest.raises(DataError, match=r"towards 0\.001$"):
        fit_temperature(np.abs(TRUE_LOGITS), one_class)
    with pytest.raises(DataError, match=r"towards 1000$") as caught:
        fit_temperature(-np.abs(TRUE_LOGITS), one_class)
    assert "check that the labels belong" in caught.value.hint


def test_hard_labels_without_a_relation_to_the_scores_have_no_temperature() -> None:
    """Every second draw of them has some temperature; one in twenty may pass for a relation."""
    chance = np.random.default_rng(3)
    refused = 0
    for _ in range(200):
        try:
            fit_temperature(chance.normal(0, 2, 300), chance.integers(0, 2, 300).astype(np.float64))
        except DataError:
            refused += 1
    assert 180 <= refused < 200
    with pytest.raises(DataError, match="no more to do with the scores than chance"):
        fit_temperature(np.array([1.0, -1.0, 1.0, -1.0]), np.array([1.0, 0.0, 0.0, 0.0]))


def test_hard_labels_that_follow_the_scores_have_one() -> None:
    chance = np.random.default_rng(4)
    logits = chance.normal(0, 2, 3000)
    labels = (chance.random(3000) < sigmoid(logits / 1.7)).astype(np.float64)
    assert fit_temperature(logits, labels).temperature == pytest.approx(1.7, rel=0.15)


def test_missing_scipy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(MissingExtraError) as caught:
        fit_temperature(TRUE_LOGITS, sigmoid(TRUE_LOGITS))
    assert "scipy" in caught.value.message
    assert caught.value.hint.endswith("pip install '.[eval]'")
