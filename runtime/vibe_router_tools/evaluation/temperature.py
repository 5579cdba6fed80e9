"""Temperature scaling: the one number that makes scores mean what they say, fitted by likelihood."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vibe_router.errors import DataError, MissingExtraError
from vibe_router_tools.evaluation.logistic import FloatArray, sigmoid
from vibe_router_tools.evaluation.reliability import BINS, Binning, expected_calibration_error

LOWEST, HIGHEST = 1e-3, 1e3
# Twice the likelihood that hard labels must gain over scores of 1/2: the 95% point of chi-square with one degree of
# freedom, from one side, for labels without any relation to the scores fit some temperature every second time.
_GAIN_BY_CHANCE = 2.706


@dataclass(frozen=True, kw_only=True)
class TemperatureFit:
    """A fitted temperature and what it changed: ECE over `bins` bins of kind `binning`, NLL in nats."""

    temperature: float
    rows: int
    ece_before: float
    ece_after: float
    nll_before: float
    nll_after: float
    bins: int
    binning: Binning


def fit_temperature(
    logits: FloatArray,
    preference: FloatArray,
    *,
    bins: int = BINS,
    binning: Binning = Binning.EQUAL_COUNT,
) -> TemperatureFit:
    """Return the T that minimises the mean negative log-likelihood of soft labels under sigmoid(logits / T).

    NLL(T) = mean(log(1 + exp(z / T)) - p z / T), with logits z and preference p, both float [n] (Guo et al.,
    arXiv 1706.04599, section 4.2, with a soft label in place of a hard one). It is convex in 1 / T, hence has
    one minimum in log T, which Brent's bounded method finds between LOWEST and HIGHEST.

    Raises:
        MissingExtraError: scipy is not installed.
        DataError: the likelihood has no minimum in the range, for instance because the scores do not rise with
            the preference; or labels of 0 and 1 have no more to do with the scores than chance has.
        ValueError: no rows, or arrays of different lengths.
    """
    if logits.shape != preference.shape or not logits.size:
        raise ValueError(f"cannot fit {logits.shape} logits to {preference.shape} labels")
    require_scipy()
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        return _negative_log_likelihood(logits / math.exp(log_temperature), preference)

    bounds = (math.log(LOWEST), math.log(HIGHEST))
    best = float(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-9}).x)
    if best - bounds[0] < 1e-3:
        raise _no_minimum(
            LOWEST,
            hint="no hard label contradicts its score, so the sharpest fits best: give more rows, "
            "or p_teacher between 0 and 1",
        )
    if bounds[1] - best < 1e-3:
        raise _no_minimum(
            HIGHEST, hint="check that the labels belong to these prompts and that p_teacher means the cloud"
        )
    temperature = math.exp(best)
    nll_after = _negative_log_likelihood(logits / temperature, preference)
    are_hard = bool(np.all((preference == 0) | (preference == 1)))
    if are_hard and 2 * len(logits) * (math.log(2) - nll_after) < _GAIN_BY_CHANCE:
        raise DataError(
            f"{len(logits)} labels of 0 and 1 have no more to do with the scores than chance has: a temperature of "
            f"{temperature:.3g} fits them hardly better than no score at all",
            hint="give more rows, or p_teacher between 0 and 1; check that the labels belong to these prompts",
        )
    before, after = sigmoid(logits), sigmoid(logits / temperature)
    return TemperatureFit(
        temperature=temperature,
        rows=len(logits),
        ece_before=expected_calibration_error(before, preference, bins=bins, binning=binning),
        ece_after=expected_calibration_error(after, preference, bins=bins, binning=binning),
        nll_before=_negative_log_likelihood(logits, preference),
        nll_after=nll_after,
        bins=bins,
        binning=binning,
    )


def _no_minimum(bound: float, *, hint: str) -> DataError:
    return DataError(
        f"no temperature between {LOWEST:g} and {HIGHEST:g} fits: the likelihood keeps improving towards {bound:g}",
        hint=hint,
    )


def require_scipy() -> None:
    """Raise MissingExtraError where scipy is missing, before any work is done that will need it."""
    try:
        import scipy  # noqa: F401 - whether it is there is the question
    except ImportError as error:
        raise MissingExtraError("calibrating", extra="eval", missing="scipy") from error


def _negative_log_likelihood(logits: FloatArray, preference: FloatArray) -> float:
    return float(np.mean(np.logaddexp(0.0, logits) - preference * logits))
