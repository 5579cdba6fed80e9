"""The thresholds of the five profiles, chosen on the ratings of everyday prompts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vibe_router_tools.evaluation.groups import agreement
from vibe_router_tools.evaluation.logistic import FloatArray
from vibe_router_training.router_config import choose_thresholds

DEFAULT = "balanced"
TOWARDS_CLOUD: Mapping[str, float] = {"max-quality": 0.7, "conservative": 0.3}
"""The part of the prompts that `balanced` keeps on the device and this profile sends to the cloud."""
TOWARDS_DEVICE: Mapping[str, float] = {"cost-saving": 0.3, "aggressive": 0.65}
"""The part of the prompts that `balanced` sends to the cloud and this profile keeps on the device."""

_AS_GOOD = 0.006


def choose_profiles(raw: FloatArray, ratings: FloatArray) -> dict[str, float]:
    """Return a threshold for each profile on the scale of the scores `raw`; both arrays are float [n].

    `balanced` is decided as rated most often; the others send shares of the prompts to the cloud that lie around its
    own. Every threshold lies halfway between two scores.
    """
    balanced = best_threshold(raw, ratings)
    share = float(np.mean(raw > balanced))
    shares = {
        **{name: share + part * (1.0 - share) for name, part in TOWARDS_CLOUD.items()},
        **{name: share * (1.0 - part) for name, part in TOWARDS_DEVICE.items()},
    }
    chosen = {**choose_thresholds(raw, shares), DEFAULT: balanced}
    return {name: chosen[name] for name in (*TOWARDS_CLOUD, DEFAULT, *TOWARDS_DEVICE)}


def best_threshold(raw: FloatArray, ratings: FloatArray) -> float:
    """Return the threshold at which most prompts are decided as rated, above 0.5 to the cloud.

    Thresholds within 0.6 points of the best, two of the prompts here, differ by luck. The one in the middle of their
    range is returned, because it is the farthest from where decisions get worse.
    """
    ordered = np.unique(raw)
    between = (ordered[:-1] + ordered[1:]) / 2 if len(ordered) > 1 else ordered
    shares = np.array([agreement(raw, ratings, float(threshold)) for threshold in between])
    good = np.flatnonzero(shares >= shares.max() - _AS_GOOD)
    middle = (between[good[0]] + between[good[-1]]) / 2
    return float(between[np.argmin(np.abs(between - middle))])
