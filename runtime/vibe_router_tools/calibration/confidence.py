"""Exact binomial confidence bounds, and how many prompts they need; no shape of the scores is assumed.

Why the binomial serves a threshold that was chosen on the same prompts: let t lie between the (n - k)-th
and the (n - k + 1)-th smallest of n scores, k fixed in advance by the target. Then the true share of
prompts above t lies between two order statistics of a uniform sample, Beta(k, n - k + 1) and
Beta(k + 1, n - k) (David and Nagaraja, Order Statistics, 2003, section 7.1), whose quantiles are the ends
that Clopper and Pearson (1934) give for k successes in n trials. All prompts are taken as independent draws
of what is to come: copies of one prompt, or prompts of one day only, promise less than they seem to.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from vibe_router.errors import DataError
from vibe_router_tools.evaluation.temperature import require_scipy


@dataclass(frozen=True)
class Share:
    """A share of prompts, `count` of `total`, with the ends of its confidence interval, all in 0..1."""

    count: int
    total: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The observed share; NaN without prompts."""
        return self.count / self.total if self.total else math.nan

    def widened(self, error: float) -> Share:
        """Return the share with an interval that is wider by `error` on both sides, within 0..1."""
        return replace(self, low=max(self.low - error, 0.0), high=min(self.high + error, 1.0))


def lower_bound(count: int, total: int, confidence: float) -> float:
    """Return the one-sided Clopper-Pearson lower bound: quantile 1 - confidence of Beta(k, n - k + 1)."""
    return 0.0 if count == 0 else _beta_quantile(1.0 - confidence, count, total - count + 1)


def upper_bound(count: int, total: int, confidence: float) -> float:
    """Return the one-sided Clopper-Pearson upper bound: quantile `confidence` of Beta(k + 1, n - k)."""
    return 1.0 if count == total else _beta_quantile(confidence, count + 1, total - count)


def two_sided(count: int, total: int, confidence: float) -> Share:
    """Return the share with its two-sided Clopper-Pearson interval."""
    each_side = (1.0 + confidence) / 2
    return Share(count, total, lower_bound(count, total, each_side), upper_bound(count, total, each_side))


def quantile_ranks(total: int, level: float, confidence: float) -> tuple[int, int]:
    """Return the ranks (from 1) of the two order statistics that enclose the true `level` quantile.

    low = the alpha / 2 quantile of Binomial(total, level) and high = its 1 - alpha / 2 quantile plus 1, both
    kept within 1..total (David and Nagaraja 2003, section 7.1).
    """
    require_scipy()
    from scipy.stats import binom

    tail = (1.0 - confidence) / 2
    low = int(binom.ppf(tail, total, level))
    high = int(binom.ppf(1.0 - tail, total, level)) + 1
    return max(low, 1), min(high, total)


_MOST = 2**62
"""More prompts than anybody has; beyond it floats say nothing about counts."""


def prompts_for_rate(rate: float, tolerance: float, confidence: float) -> int:
    """Return the fewest prompts n whose two-sided interval at `rate` stays within rate +- tolerance.

    Raises:
        DataError: there is no such number below 2^62.
    """

    def enough(total: int) -> bool:
        share = two_sided(round(rate * total), total, confidence)
        return share.low >= rate - tolerance and share.high <= rate + tolerance

    return _smallest(enough)


def prompts_for_zero(bound: float, confidence: float) -> int:
    """Return the fewest prompts on which none found proves a share <= bound: ln alpha / ln(1 - bound).

    Raises:
        DataError: there is no such number below 2^62.
    """
    needed = math.log(1.0 - confidence) / math.log1p(-bound)
    if needed > _MOST:
        raise _too_many()
    return math.ceil(needed)


def _smallest(enough: Callable[[int], bool]) -> int:
    """Return about the smallest number that is enough; rounded counts make the border a little ragged."""
    high = 1
    while not enough(high):
        if high >= _MOST:
            raise _too_many()
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _too_many() -> DataError:
    return DataError("no number of prompts can support this promise", hint="ask for less")


def _beta_quantile(level: float, first: int, second: int) -> float:
    require_scipy()
    from scipy.special import betaincinv

    return float(betaincinv(first, second, level))
