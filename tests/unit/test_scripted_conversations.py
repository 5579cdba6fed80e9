"""Sixty conversations whose sides a reader had written down before any of them was scored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vibe_router import ChatPolicy, Router, Target
from vibe_router.conversation.asks import asks_of
from vibe_router.conversation.leaning import Kind
from vibe_router.conversation.policy import Observation, sides
from vibe_router_tools.evaluation.conversations.read import Conversation, read_conversations
from vibe_router_tools.evaluation.conversations.score import score_conversations

DATA = Path(__file__).resolve().parents[1] / "data" / "scripted_conversations.jsonl"

BAR = 0.9
"""Share of turns that are to be where the reader puts them."""


@pytest.fixture(scope="module")
def conversations() -> list[Conversation]:
    return list(read_conversations(DATA, harness_tags=ChatPolicy().harness_tags))


def right(routed: list[list[Target]], conversations: list[Conversation]) -> float:
    """Return the share of turns on the reader's side, of those where the reader has one."""
    judged = [
        (target is Target.CLOUD) == (label == 1.0)
        for targets, conversation in zip(routed, conversations, strict=True)
        for target, label in zip(targets, conversation.cloud, strict=True)
        if label is not None
    ]
    return sum(judged) / len(judged)


def test_there_are_sixty_of_them_and_few_turns_may_go_either_way(conversations: list[Conversation]) -> None:
    labels = [label for conversation in conversations for label in conversation.cloud]
    assert len(conversations) == 60
    assert labels.count(None) < len(labels) / 10
    assert min(labels.count(0.0), labels.count(1.0)) > len(labels) / 3


def scripted(conversation: Conversation, policy: ChatPolicy) -> Iterator[Observation]:
    """Yield what a scorer sees that knows each text's side, and is torn one way and the other in between."""
    asks = asks_of(conversation.chat.turns, policy)
    for index, (ask, label) in enumerate(zip(asks, conversation.cloud, strict=True)):
        sure = 1.0 if index % 2 else 0.6
        logit = 0.0 if label is None else sure * (1 if label == 1.0 else -1)
        yield Observation(None if ask.kind is Kind.BARE else logit, ask.kind is Kind.NEW_TOPIC)


def test_a_scorer_that_knows_each_text_is_routed_where_the_reader_says(conversations: list[Conversation]) -> None:
    policy = ChatPolicy()
    routed = [sides(scripted(item, policy), threshold=0.5, policy=policy) for item in conversations]
    assert right(routed, conversations) >= BAR


def test_what_a_scorer_would_say_about_follow_ups_does_not_matter(conversations: list[Conversation]) -> None:
    """The same scorer with every follow-up wrong: the last turn alone would lose them all."""
    policy = ChatPolicy()
    alone = []
    for conversation in conversations:
        seen = scripted(conversation, policy)
        wrong = (-1.0 if label == 1.0 else 1.0 for label in conversation.cloud)
        last = [other if turn.logit is None else turn.logit for turn, other in zip(seen, wrong, strict=True)]
        alone.append([Target.CLOUD if logit > 0 else Target.DEVICE for logit in last])
    assert right(alone, conversations) < BAR


def test_the_bundled_router_puts_turns_where_the_reader_does(conversations: list[Conversation]) -> None:
    policy = ChatPolicy()
    with Router.load(threads=1) as router:
        scored = score_conversations(router, conversations, policy, name=DATA.name)
        threshold = router.route("hi").threshold
    routed = [sides(item.asks, threshold=threshold, policy=policy) for item in scored]
    assert right(routed, conversations) >= BAR
