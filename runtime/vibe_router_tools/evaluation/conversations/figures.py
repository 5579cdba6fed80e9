"""Figures of each way of routing conversations, restlessness and quality, at one share of the cloud for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from vibe_router.conversation.policy import ChatPolicy
from vibe_router.policy import sigmoid
from vibe_router_tools.evaluation.conversations.optimum import bound_at_share, value
from vibe_router_tools.evaluation.conversations.policies import (
    ScoredConversation,
    Sides,
    at_share,
    cloud_share,
    last_turn,
    policies,
)

KAPPAS = (0.0, 0.1, 0.2, 0.4)
"""Prices of a change of side, in the utility of one turn."""


@dataclass(frozen=True, kw_only=True)
class WayFigures:
    """One way of routing at the threshold where its share of cloud turns is the nearest to the one wanted.

    `changes` is changes of side per transition between two turns; `falls`, `changing` and `restless` are the shares of
    conversations that go from the cloud to the device, that change sides, and that do so at least twice. `right` is the
    share of labelled turns on the labelled side, `regret` maps the price of a change to what is lost a turn against the
    best possible at this share; both are None where no conversation is labelled from end to end.
    """

    name: str
    threshold: float
    cloud_share: float
    changes: float
    falls: float
    changing: float
    restless: float
    right: float | None
    regret: dict[float, float] | None


@dataclass(frozen=True, kw_only=True)
class ConversationFigures:
    """All ways on one file. `share` is the cloud share asked of each."""

    conversations: int
    turns: int
    labelled: int
    share: float
    ways: tuple[WayFigures, ...]


def judge(
    conversations: Sequence[ScoredConversation],
    *,
    bound: float,
    share: float | None = None,
    policy: ChatPolicy | None = None,
) -> ConversationFigures:
    """Return the figures of every way.

    `bound` is the logit of the router's threshold; `share` None means that of the last turn alone at this threshold.

    Raises:
        ValueError: no conversations.
    """
    if not conversations:
        raise ValueError("no conversations")
    if share is None:
        share = cloud_share([last_turn(conversation, bound) for conversation in conversations])
    labelled = [index for index, item in enumerate(conversations) if None not in item.cloud]
    ways = []
    for name, way in policies(policy or ChatPolicy()).items():
        limit, routed = at_share(way, conversations, share)
        ways.append(_figures(name, limit, routed, conversations, labelled))
    return ConversationFigures(
        conversations=len(conversations),
        turns=sum(len(item.last) for item in conversations),
        labelled=len(labelled),
        share=share,
        ways=tuple(ways),
    )


def _figures(
    name: str,
    limit: float,
    routed: Sequence[Sides],
    conversations: Sequence[ScoredConversation],
    labelled: Sequence[int],
) -> WayFigures:
    steps = [list(pairwise(sides)) for sides in routed]
    changes = [sum(before != after for before, after in step) for step in steps]
    known = [
        (cloud, label > 0.5)
        for sides, item in zip(routed, conversations, strict=True)
        for cloud, label in zip(sides, item.cloud, strict=True)
        if label is not None and label != 0.5
    ]
    return WayFigures(
        name=name,
        threshold=sigmoid(limit),
        cloud_share=cloud_share(routed),
        changes=sum(changes) / max(1, sum(map(len, steps))),
        falls=sum((True, False) in step for step in steps) / len(routed),
        changing=sum(count > 0 for count in changes) / len(routed),
        restless=sum(count > 1 for count in changes) / len(routed),
        right=sum(cloud == better for cloud, better in known) / len(known) if known else None,
        regret=_regret([(routed[index], conversations[index].cloud) for index in labelled]),
    )


def _regret(pairs: Sequence[tuple[Sides, tuple[float | None, ...]]]) -> dict[float, float] | None:
    if not pairs:
        return None
    labels = [[label for label in cloud if label is not None] for _, cloud in pairs]
    turns = sum(map(len, labels))
    share = cloud_share([sides for sides, _ in pairs])
    regret: dict[float, float] = {}
    for kappa in KAPPAS:
        reached = sum(value(sides, label, kappa) for (sides, _), label in zip(pairs, labels, strict=True))
        regret[kappa] = (bound_at_share(labels, kappa, share) - reached) / turns
    return regret
