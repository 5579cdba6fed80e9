"""The worth of routing decisions, given the teacher's soft preference p for the cloud on each prompt.

All functions take one-dimensional arrays with one entry a prompt. `preference` is p in 0..1: 1 says that the
cloud's answer is certainly better, 0 the device's, 0.5 that they are equal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vibe_router_tools.evaluation.defaults import MISS_BOUND as MISS_BOUND
from vibe_router_tools.evaluation.logistic import SMALLEST_PROBABILITY, FloatArray

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class RoutingMetrics:
    """What a set of decisions is worth; every figure is a mean over all prompts, in 0..1."""

    utility: float
    regret: float
    cloud_rate: float
    catastrophic_miss: float


def route(scores: npt.ArrayLike, threshold: float) -> BoolArray:
    """Return True where the prompt goes to the cloud: strictly above the threshold, as the runtime does."""
    return np.asarray(np.asarray(scores) > threshold, dtype=np.bool_)


def best_utility(preference: FloatArray) -> float:
    """Return mean(max(p, 1 - p)): the utility of always choosing the better side."""
    return float(np.mean(np.maximum(preference, 1.0 - preference)))


def routing_metrics(to_cloud: BoolArray, preference: FloatArray, *, miss_bound: float = MISS_BOUND) -> RoutingMetrics:
    """Judge decisions: `to_cloud` bool [n], `preference` float [n].

    utility           mean of p where the prompt goes to the cloud and 1 - p where it stays on the device
    regret            best_utility - utility
    cloud_rate        share of prompts sent to the cloud
    catastrophic_miss share of all prompts that stay on the device though p >= miss_bound

    Utility of always-cloud is mean(p) and of always-device mean(1 - p): they sum to 1.

    Raises:
        ValueError: no prompts, or arrays of different lengths.
    """
    _check_same_length(to_cloud, preference)
    utility = float(np.mean(np.where(to_cloud, preference, 1.0 - preference)))
    return RoutingMetrics(
        utility=utility,
        regret=best_utility(preference) - utility,
        cloud_rate=float(np.mean(to_cloud)),
        catastrophic_miss=float(np.mean(~to_cloud & (preference >= miss_bound))),
    )


def auc(scores: FloatArray, preference: FloatArray) -> float:
    """Return the area under the ROC curve of "cloud better" (p > 0.5) against "device better" (p < 0.5).

    Rows with p = 0.5 are left out. Equal to the chance that a random cloud-better prompt scores above a
    random device-better one, a tied score counting half (Mann-Whitney). NaN where one side is empty.
    """
    _check_same_length(scores, preference)
    cloud_better = scores[preference > 0.5]
    device_better = scores[preference < 0.5]
    if not len(cloud_better) or not len(device_better):
        return float("nan")
    ordered = np.sort(device_better)
    below = np.searchsorted(ordered, cloud_better, side="left")
    below_or_equal = np.searchsorted(ordered, cloud_better, side="right")
    return float(np.mean(below + below_or_equal) / (2 * len(ordered)))


def brier(scores: FloatArray, preference: FloatArray) -> float:
    """Return mean((score - p)^2), Brier's score against soft labels."""
    _check_same_length(scores, preference)
    return float(np.mean((scores - preference) ** 2))


def negative_log_likelihood(scores: FloatArray, preference: FloatArray) -> float:
    """Return mean(-p log(score) - (1 - p) log(1 - score)) in nats.

    Scores are kept SMALLEST_PROBABILITY away from 0 and 1, so that one saturated score costs at most 36.05.
    """
    _check_same_length(scores, preference)
    clipped = np.clip(scores, SMALLEST_PROBABILITY, 1.0 - SMALLEST_PROBABILITY)
    return float(-np.mean(preference * np.log(clipped) + (1.0 - preference) * np.log1p(-clipped)))


def _check_same_length(left: npt.NDArray[np.generic], right: npt.NDArray[np.generic]) -> None:
    if left.shape != right.shape or left.ndim != 1 or not left.size:
        raise ValueError(f"need two non-empty arrays of one length, not {left.shape} and {right.shape}")
