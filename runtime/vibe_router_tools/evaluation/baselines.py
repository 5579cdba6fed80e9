"""Baselines that cost nothing: always one side, a coin, or the length of the prompt."""

from __future__ import annotations

import numpy as np

from vibe_router_tools.evaluation.curve import quality_curve, utility_curve
from vibe_router_tools.evaluation.logistic import FloatArray
from vibe_router_tools.evaluation.metrics import MISS_BOUND, RoutingMetrics, best_utility


def always_device(preference: FloatArray, *, miss_bound: float = MISS_BOUND) -> RoutingMetrics:
    """Return the metrics of never using the cloud; utility = mean(1 - p)."""
    return random_at(0.0, preference, miss_bound=miss_bound)


def always_cloud(preference: FloatArray, *, miss_bound: float = MISS_BOUND) -> RoutingMetrics:
    """Return the metrics of always using the cloud; utility = mean(p)."""
    return random_at(1.0, preference, miss_bound=miss_bound)


def random_at(cloud_rate: float, preference: FloatArray, *, miss_bound: float = MISS_BOUND) -> RoutingMetrics:
    """Return the expected metrics of sending each prompt to the cloud with chance c = `cloud_rate`.

    utility = c mean(p) + (1 - c) mean(1 - p); catastrophic_miss = (1 - c) share(p >= miss_bound). In closed
    form, so the baseline carries no luck: a router must beat it at its own cloud rate to be worth anything.
    """
    mean = float(np.mean(preference))
    utility = cloud_rate * mean + (1.0 - cloud_rate) * (1.0 - mean)
    return RoutingMetrics(
        utility=utility,
        regret=best_utility(preference) - utility,
        cloud_rate=cloud_rate,
        catastrophic_miss=(1.0 - cloud_rate) * float(np.mean(preference >= miss_bound)),
    )


def ranked_at(
    cloud_rate: float, scores: FloatArray, preference: FloatArray, *, miss_bound: float = MISS_BOUND
) -> RoutingMetrics:
    """Return the metrics of sending the share `cloud_rate` with the highest `scores` to the cloud.

    Any score serves, such as the length of the prompt. Among equal scores the choice is random and the
    expected value is returned.
    """
    utility = utility_curve(scores, preference).at(cloud_rate)
    missed = (preference >= miss_bound).astype(np.float64)
    return RoutingMetrics(
        utility=utility,
        regret=best_utility(preference) - utility,
        cloud_rate=cloud_rate,
        catastrophic_miss=quality_curve(scores, missed, np.zeros_like(missed)).at(cloud_rate),
    )


def length_scores(prompts: tuple[str, ...]) -> FloatArray:
    """Return the length of each prompt in characters as float [n]: the score of the length baseline."""
    return np.array([len(prompt) for prompt in prompts], dtype=np.float64)
