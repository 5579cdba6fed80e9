"""Five ways to turn a conversation's scores into sides, each a pure function of the threshold's logit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vibe_router.conversation.policy import ChatPolicy, Observation, sides
from vibe_router.policy import Target, sigmoid


@dataclass(frozen=True, kw_only=True)
class ScoredConversation:
    """The logits of one conversation, one a user turn, and what the labels say.

    `last` are those of each turn alone, `history` those of all text up to the turn, `asks` what the runtime sees.
    `cloud` are the labels, p in 0..1 that the cloud's answer is the better one, None for a turn without one.
    """

    last: tuple[float, ...]
    history: tuple[float, ...]
    asks: tuple[Observation, ...]
    cloud: tuple[float | None, ...]


# True is the cloud; one a user turn.
Sides = tuple[bool, ...]
Policy = Callable[[ScoredConversation, float], Sides]

# Lemonade's filter: a score that rises is taken at once, one that falls pulls the level down slowly.
_RELEASE = 0.9


def last_turn(conversation: ScoredConversation, bound: float) -> Sides:
    """Route the last turn alone, as a router of prompts does."""
    return tuple(logit > bound for logit in conversation.last)


def whole_history(conversation: ScoredConversation, bound: float) -> Sides:
    """Route all text up to the turn."""
    return tuple(logit > bound for logit in conversation.history)


def hysteresis(conversation: ScoredConversation, bound: float) -> Sides:
    """Route a level s(t) = max(p(t), 0.9 s(t-1) + 0.1 p(t)) of the turns' scores: fast up, slow down."""
    found: list[bool] = []
    level = 0.0
    limit = sigmoid(bound)
    for logit in conversation.last:
        score = sigmoid(logit)
        level = max(score, _RELEASE * level + (1 - _RELEASE) * score)
        found.append(level > limit)
    return tuple(found)


def latching(conversation: ScoredConversation, bound: float) -> Sides:
    """Stay with the cloud for good after the first turn that asks for it."""
    found: list[bool] = []
    for logit in conversation.last:
        found.append(bool(found and found[-1]) or logit > bound)
    return tuple(found)


def ours(policy: ChatPolicy) -> Policy:
    """Return the runtime's own way, with its constants."""

    def route(conversation: ScoredConversation, bound: float) -> Sides:
        found = sides(conversation.asks, threshold=sigmoid(bound), policy=policy)
        return tuple(side is Target.CLOUD for side in found)

    return route


def policies(policy: ChatPolicy) -> Mapping[str, Policy]:
    """Return the five ways by name, the runtime's last."""
    return {
        "last turn": last_turn,
        "whole history": whole_history,
        "hysteresis": hysteresis,
        "latching": latching,
        "route_chat": ours(policy),
    }


def cloud_share(routed: Sequence[Sides]) -> float:
    """Return the share of turns that go to the cloud."""
    return sum(map(sum, routed)) / sum(map(len, routed))


def at_share(policy: Policy, conversations: Sequence[ScoredConversation], share: float) -> tuple[float, list[Sides]]:
    """Return the threshold's logit at which `policy` sends the nearest share of turns to the cloud, and its sides.

    Every policy sends fewer turns to the cloud at a higher threshold, so that halving an interval finds it.
    """
    low, high = -40.0, 40.0
    best: tuple[float, float, list[Sides]] | None = None
    for _ in range(48):
        bound = (low + high) / 2
        routed = [policy(conversation, bound) for conversation in conversations]
        reached = cloud_share(routed)
        if best is None or abs(reached - share) < best[0]:
            best = abs(reached - share), bound, routed
        if reached > share:
            low = bound
        else:
            high = bound
    assert best is not None, "the loop ran"
    return best[1], best[2]
