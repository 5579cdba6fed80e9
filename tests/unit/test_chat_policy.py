from __future__ import annotations

import math
from typing import Any

import pytest

from vibe_router import ChatPolicy, Target
from vibe_router.conversation.policy import Observation, sides, threshold_logit
from vibe_router.errors import UsageError
from vibe_router.policy import sigmoid

POLICY = ChatPolicy(rise=0.5, fall=0.5, calm_turns=3)


def path(*turns: float | Observation | None, threshold: float = 0.5, policy: ChatPolicy = POLICY) -> str:
    observed = [turn if isinstance(turn, Observation) else Observation(turn) for turn in turns]
    return "".join(side.value[0] for side in sides(observed, threshold=threshold, policy=policy))


def test_the_first_turn_is_decided_as_a_single_prompt() -> None:
    assert path(0.01) == "c"
    assert path(0.0) == "d"
    assert path(-0.01) == "d"


def test_a_later_turn_leaves_the_device_only_beyond_the_margin() -> None:
    assert path(-1, 0.4, 0.5, 0.51) == "dddc"


def test_a_conversation_returns_after_enough_calm_turns_in_a_row() -> None:
    assert path(1, -1, -1, -1, -1) == "cccdd"
    assert path(1, -1, -1, -0.4, -1, -1, -1) == "ccccccd"


def test_a_turn_that_says_nothing_by_itself_changes_and_counts_nothing() -> None:
    assert path(1, None, None, None, None) == "ccccc"
    assert path(1, -1, None, -1, None, -1) == "cccccd"
    assert path(-1, None, 1) == "ddc"


def test_a_new_topic_needs_no_margin_up_and_one_turn_down() -> None:
    assert path(-1, Observation(0.1, True)) == "dc"
    assert path(1, Observation(-0.6, True)) == "cd"
    assert path(1, Observation(-0.4, True)) == "cc"


def test_margins_are_taken_from_the_threshold() -> None:
    bound = threshold_logit(0.9)
    assert path(bound - 1, bound + 0.4, bound + 0.6, threshold=0.9) == "ddc"
    assert sigmoid(bound) == pytest.approx(0.9)


@pytest.mark.parametrize(("threshold", "expected"), [(0.0, "ccc"), (1.0, "ddd")])
def test_thresholds_at_the_ends_send_everything_one_way(threshold: float, expected: str) -> None:
    assert path(-30, 0, 30, threshold=threshold) == expected
    assert math.isinf(threshold_logit(threshold))


def test_nothing_was_scored_yet_is_the_device() -> None:
    assert sides([Observation(None)], threshold=0.5, policy=POLICY) == [Target.DEVICE]


@pytest.mark.parametrize(
    "wrong",
    [{"rise": -1.0}, {"fall": math.nan}, {"calm_turns": 0}, {"replayed_turns": 0}, {"bare_words": -1},
     {"bytes_per_token": 0.0}, {"device_context": 0}, {"rise": "1"}, {"fall": None}, {"calm_turns": "3"},
     {"calm_turns": 3.0}, {"bare_words": True}, {"bytes_per_token": "3"}, {"device_vision": "false"},
     {"bytes_per_token": 5e-324}, {"reserved_tokens": 2**63}, {"leaning_words": 2**54},
     {"device_tools": 1}, {"harness_tags": "system-reminder"}, {"harness_tags": (b"tag",)}],
)  # fmt: skip
def test_constants_out_of_range_or_of_another_type_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        ChatPolicy(**wrong)
