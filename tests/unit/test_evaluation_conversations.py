from __future__ import annotations

import itertools
import json
import random
from pathlib import Path

import pytest

from vibe_router import ChatPolicy
from vibe_router.conversation.policy import Observation
from vibe_router.errors import DataError
from vibe_router_tools.evaluation.conversations.figures import judge
from vibe_router_tools.evaluation.conversations.optimum import best_value, bound_at_share, value
from vibe_router_tools.evaluation.conversations.policies import (
    ScoredConversation,
    at_share,
    cloud_share,
    hysteresis,
    last_turn,
    latching,
    policies,
)
from vibe_router_tools.evaluation.conversations.read import read_conversations


def scored(*logits: float, cloud: tuple[float | None, ...] | None = None) -> ScoredConversation:
    return ScoredConversation(
        last=logits,
        history=logits,
        asks=tuple(map(Observation, logits)),
        cloud=cloud or (None,) * len(logits),
    )


def randomly(count: int, *, seed: int = 0) -> list[ScoredConversation]:
    source = random.Random(seed)
    found = []
    for _ in range(count):
        logits = [source.gauss(0, 1) for _ in range(source.randint(1, 6))]
        found.append(scored(*logits, cloud=tuple(source.random() for _ in logits)))
    return found


@pytest.mark.parametrize("kappa", [0.0, 0.1, 0.7])
def test_the_best_value_is_that_of_all_ways_there_are(kappa: float) -> None:
    source = random.Random(1)
    for _ in range(50):
        labels = [source.random() for _ in range(source.randint(1, 6))]
        every = itertools.product((False, True), repeat=len(labels))
        assert best_value(labels, kappa) == pytest.approx(max(value(sides, labels, kappa) for sides in every))


@pytest.mark.parametrize("kappa", [0.0, 0.3])
def test_no_way_at_a_share_beats_the_bound_and_the_best_comes_close(kappa: float) -> None:
    source = random.Random(2)
    conversations = [[source.random() for _ in range(3)] for _ in range(4)]
    best: dict[int, float] = {}
    for flat in itertools.product((False, True), repeat=12):
        routed = [flat[index : index + 3] for index in range(0, 12, 3)]
        reached = sum(value(sides, labels, kappa) for sides, labels in zip(routed, conversations, strict=True))
        best[sum(flat)] = max(best.get(sum(flat), -99.0), reached)
    for count, reached in best.items():
        bound = bound_at_share(conversations, kappa, count / 12)
        assert reached - 1e-9 <= bound <= reached + 0.5


def test_every_way_has_the_share_that_it_is_asked_for() -> None:
    conversations = randomly(300)
    for way in policies(ChatPolicy()).values():
        for share in (0.2, 0.5, 0.8):
            assert cloud_share(at_share(way, conversations, share)[1]) == pytest.approx(share, abs=0.02)


def test_ways_on_a_conversation_that_rises_and_falls() -> None:
    one = scored(-1.0, 2.0, -1.0, -1.0)
    assert last_turn(one, 0.0) == (False, True, False, False)
    assert latching(one, 0.0) == (False, True, True, True)
    assert hysteresis(one, 0.0) == (False, True, True, True)
    assert hysteresis(one, 1.5)[-1] is False


def test_figures_of_a_conversation_counted_by_hand() -> None:
    figures = judge([scored(-1.0, 2.0, -1.0, cloud=(0.0, 1.0, 0.2)), scored(-1.0)], bound=0.0)
    last = figures.ways[0]
    assert (figures.conversations, figures.turns, figures.labelled, figures.share) == (2, 4, 1, 0.25)
    assert (last.cloud_share, last.changes, last.falls, last.changing, last.restless) == (0.25, 1.0, 0.5, 0.5, 0.5)
    assert last.right == 1.0
    assert last.regret is not None
    assert last.regret[0.0] == pytest.approx(0.0, abs=1e-6)
    # At this price the best is to stay: .2 is lost on one turn, or .8 and .8, instead of two changes.
    assert last.regret[0.4] > 0


def test_there_is_no_regret_without_labels() -> None:
    assert {way.regret for way in judge([scored(0.5, -0.5)], bound=0.0).ways} == {None}


def rows(path: Path, *lines: object) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_both_forms_of_rows_are_read(tmp_path: Path) -> None:
    messages = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ]
    path = rows(
        tmp_path / "chats.jsonl",
        {"messages": messages, "cloud": [0.25, None], "id": 3},
        {"messages": messages, "sides": ["device", "either"]},
        {"history": [{"user": "a", "bot": "b"}, {"user": "c", "bot": "d"}]},
        {"messages": [{"role": "system", "content": "x"}]},
    )
    read = list(read_conversations(path, harness_tags=()))
    assert [conversation.line for conversation in read] == [1, 2, 3]
    assert [conversation.cloud for conversation in read] == [(0.25, None), (0.0, None), (None, None)]
    assert all([turn.text for turn in conversation.chat.turns] == ["a", "c"] for conversation in read)


@pytest.mark.parametrize(
    "row",
    [3, {}, {"messages": "a"}, {"history": ["a"]}, {"history": [{"user": "a"}, {"user": 3}]},
     {"messages": [{"role": "user", "content": "a"}], "cloud": [0.5, 0.5]},
     {"messages": [{"role": "user", "content": "a"}], "cloud": [2]},
     {"messages": [{"role": "user", "content": "a"}], "cloud": ["device"]},
     {"messages": [{"role": "user", "content": "a"}], "sides": ["left"]},
     {"messages": [{"role": "user", "content": "a"}], "sides": ["device"], "cloud": [0]}],
)  # fmt: skip
def test_a_row_that_is_no_conversation_is_named(tmp_path: Path, row: object) -> None:
    good = {"messages": [{"role": "user", "content": "a"}]}
    with pytest.raises(DataError, match=r"chats\.jsonl:2: "):
        list(read_conversations(rows(tmp_path / "chats.jsonl", good, row), harness_tags=()))
