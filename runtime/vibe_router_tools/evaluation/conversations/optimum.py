"""The best that any router could do with the labels in hand, where every change of side has a price.

V = sum over turns of u(t, side) - kappa * changes of side, u(t, cloud) = p(t) and u(t, device) = 1 - p(t), p(t) the
label. For one conversation dynamic programming over two states gives the best V. At a given share of the cloud, with a
price lambda on each cloud turn, the dual function

    D(lambda) = max over sides of (V - lambda * cloud turns) + lambda * share * turns

is at least the best V at that share for every lambda, and convex; its minimum is the bound that regrets are taken from.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from vibe_router_tools.evaluation.conversations.policies import Sides

Labels = Sequence[float]


def value(routed: Sides, labels: Labels, kappa: float) -> float:
    """Return V of the sides that a router took."""
    utility = sum(label if cloud else 1 - label for cloud, label in zip(routed, labels, strict=True))
    return utility - kappa * sum(before != after for before, after in pairwise(routed))


def best_value(labels: Labels, kappa: float, price: float = 0.0) -> float:
    """Return the best V of one conversation, by dynamic programming; each cloud turn costs `price`."""
    device = cloud = 0.0
    for index, label in enumerate(labels):
        if index == 0:
            device, cloud = 1 - label, label - price
        else:
            device, cloud = max(device, cloud - kappa) + 1 - label, max(cloud, device - kappa) + label - price
    return max(device, cloud)


def bound_at_share(conversations: Sequence[Labels], kappa: float, share: float) -> float:
    """Return an upper bound of the sum of V of all conversations at a share of cloud turns."""
    turns = sum(map(len, conversations))

    def dual(price: float) -> float:
        return sum(best_value(labels, kappa, price) for labels in conversations) + price * share * turns

    # Convex: a third of the interval can be left at each step. No price beyond these changes a side.
    low, high = -2.0 - 2 * kappa, 2.0 + 2 * kappa
    for _ in range(40):
        first, second = low + (high - low) / 3, high - (high - low) / 3
        if dual(first) <= dual(second):
            high = second
        else:
            low = first
    return dual((low + high) / 2)
