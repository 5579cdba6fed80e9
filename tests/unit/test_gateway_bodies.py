"""What the gateway reads from a body, and the one member that it replaces, leave everything else as it was."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibe_router_gateway.asked import read_asked
from vibe_router_gateway.json_splice import replace_member

AWKWARD = st.text(alphabet='"\\{}[],: aé😀\n/', max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | AWKWARD,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(AWKWARD, inner, max_size=4),
    max_leaves=20,
)
OBJECTS = st.dictionaries(AWKWARD | st.just("model"), VALUES, max_size=5)


@given(fields=OBJECTS, ascii_only=st.booleans(), indent=st.sampled_from([None, 1]))
def test_one_member_is_replaced_and_no_other(fields: dict[str, object], ascii_only: bool, indent: int | None) -> None:
    body = json.dumps(fields, ensure_ascii=ascii_only, indent=indent).encode()
    replaced = replace_member(body, "model", 'the "new" one')
    assert json.loads(replaced) == {**fields, "model": 'the "new" one'}
    # A second time changes the value alone, so that the bytes around it are known to be kept.
    assert replace_member(replaced, "model", "") == replaced.replace(rb'"the \"new\" one"', b'""')


def _steps(body: bytes) -> int:
    """Return how many calls it takes to replace the model's name."""
    events: list[str] = []
    before = sys.getprofile()
    sys.setprofile(lambda _frame, event, _value: events.append(event))
    try:
        replace_member(body, "model", "other")
    finally:
        sys.setprofile(before)
    return events.count("c_call")


def test_a_list_of_numbers_is_passed_at_once() -> None:
    few, many = (json.dumps({"input": [list(range(count))], "model": "m"}).encode() for count in (3, 3000))
    assert _steps(few) == _steps(many)


def _asked(part: dict[str, object]) -> int:
    message = {"role": "user", "content": [{"type": "text", "text": "What is it?"}, part]}
    body = json.dumps({"model": "auto", "messages": [message]}).encode()
    return read_asked("/v1/chat/completions", body, {}).tokens


@pytest.mark.parametrize("bytes_of_picture", [10, 3_000_000])
def test_a_picture_costs_the_same_tokens_whatever_its_size(bytes_of_picture: int) -> None:
    address = "data:image/png;base64," + "A" * bytes_of_picture
    assert 1000 <= _asked({"type": "image_url", "image_url": {"url": address}}) <= 1050


def test_a_picture_may_be_nested_deeply() -> None:
    nested: dict[str, object] = {"url": "A" * 1000}
    for _ in range(300):
        nested = {"inner": [nested]}
    assert 1000 <= _asked({"type": "image_url", "image_url": nested}) <= 1300


@pytest.mark.parametrize(
    ("fields", "answers"),
    [
        ({"prompt": "a"}, 1),
        ({"prompt": ["a", "b", "c"]}, 3),
        ({"prompt": ["a", "b", "c"], "n": 2}, 6),
        ({"prompt": "a", "n": 2, "best_of": 5}, 5),
        ({"prompt": [1, 2, 3]}, 1),
        ({"prompt": [[1, 2], [3]]}, 2),
        ({"prompt": []}, 1),
        ({"prompt": "a", "n": -3, "best_of": True}, 1),
    ],
)
def test_every_answer_that_is_paid_for_is_counted(fields: dict[str, object], answers: int) -> None:
    body = json.dumps({"model": "cloud", **fields}).encode()
    assert read_asked("/v1/completions", body, {}).choices == answers
