"""The responses API, by the real openai client: an answer is followed up on the side that gave it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gateway import EASY, HARD, Running, running
from vibe_router import Router, Target
from vibe_router_gateway.answered import MOST_ANSWERS, AnsweredBy
from vibe_router_gateway.asked import RESPONSES, read_asked

openai = pytest.importorskip("openai", reason="the openai client is part of the test extra")


@pytest.fixture
def client(gateway: Running) -> Iterator[object]:
    with openai.OpenAI(base_url=gateway.url + "/v1", api_key="unused", max_retries=0) as made:
        yield made


def test_a_follow_up_goes_to_the_side_that_has_the_answer(client: openai.OpenAI) -> None:
    for text, side in ((HARD, "cloud"), (EASY, "device")):
        first = client.responses.create(model="auto", input=text)
        assert first.output_text == f"{side} answers"
        # Each of these alone would go to the other side.
        other = EASY if text is HARD else HARD
        raw = client.responses.with_raw_response.create(model="auto", input=other, previous_response_id=first.id)
        assert (raw.headers["x-vibe-side"], raw.headers["x-vibe-reason"]) == (side, "held")
        again = client.responses.with_raw_response.create(
            model="auto", input=other, previous_response_id=raw.parse().id, stream=True
        )
        assert again.headers["x-vibe-side"] == side


def test_a_streamed_answer_can_be_followed_up(client: openai.OpenAI) -> None:
    events = list(client.responses.create(model="auto", input=HARD, stream=True))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta").startswith("cloud0")
    done = events[-1]
    assert done.type == "response.completed"
    raw = client.responses.with_raw_response.create(model="auto", input=EASY, previous_response_id=done.response.id)
    assert raw.headers["x-vibe-side"] == "cloud"


def test_an_answer_can_be_followed_up_before_its_stream_has_ended(gateway: Running) -> None:
    gateway.cloud.pause_s = 0.5
    with gateway.client.stream("POST", RESPONSES, json={"model": "auto", "input": HARD, "stream": True}) as first:
        parts = first.iter_raw()
        assert b"resp_cloud_1" in next(parts)
        body = {"model": "auto", "input": EASY, "previous_response_id": "resp_cloud_1"}
        assert gateway.client.post(RESPONSES, json=body).headers["x-vibe-side"] == "cloud"
        assert b"response.completed" in b"".join(parts)


def test_an_unknown_answer_is_routed_by_the_text(client: openai.OpenAI) -> None:
    raw = client.responses.with_raw_response.create(model="auto", input=EASY, previous_response_id="resp_of_another")
    assert (raw.headers["x-vibe-side"], raw.headers["x-vibe-reason"]) == ("device", "score")


def test_a_forbidden_cloud_is_not_asked_for_a_follow_up(client: openai.OpenAI, gateway: Running) -> None:
    first = client.responses.create(model="auto", input=HARD)
    asked = len(gateway.cloud.seen)
    with pytest.raises(openai.PermissionDeniedError) as refused:
        client.responses.create(
            model="auto", input=EASY, previous_response_id=first.id, metadata={"vibe_allow_cloud": "no"}
        )
    assert refused.value.code == "cloud_forbidden"
    assert len(gateway.cloud.seen) == asked


def test_answers_are_remembered_over_a_restart(nano: Router, tmp_path: Path) -> None:
    with running(nano, tmp_path) as gateway:
        answer = gateway.client.post(RESPONSES, json={"model": "auto", "input": HARD}).json()
        assert gateway.rows()[0]["answer_id"] == answer["id"]
    with running(nano, tmp_path) as gateway:
        body = {"model": "auto", "input": EASY, "previous_response_id": answer["id"]}
        assert gateway.client.post(RESPONSES, json=body).headers["x-vibe-side"] == "cloud"


def test_calls_of_tools_are_part_of_the_conversation(gateway: Running) -> None:
    items = [
        {"role": "user", "content": EASY},
        {"type": "reasoning", "id": "r1", "summary": []},
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": HARD},
    ]
    answer = gateway.client.post(RESPONSES, json={"model": "auto", "input": items})
    assert (answer.headers["x-vibe-side"], answer.headers["x-vibe-reason"]) == ("device", "held")
    asked = read_asked(RESPONSES, b'{"model": "auto", "input": [{"type": "function_call_output"}, 3, null]}', {})
    assert asked.messages == [{"role": "tool", "tool_call_id": None, "content": None}]


def test_calls_of_any_tool_are_part_of_the_conversation(gateway: Running) -> None:
    items = [
        {"role": "user", "content": EASY},
        {"type": "web_search_call", "id": "w1", "status": "completed"},
        {"type": "custom_tool_call", "call_id": "c1", "name": "patch", "input": HARD},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": HARD},
    ]
    answer = gateway.client.post(RESPONSES, json={"model": "auto", "input": items})
    assert (answer.headers["x-vibe-side"], answer.headers["x-vibe-reason"]) == ("device", "held")
    shot = {"type": "computer_screenshot", "image_url": "data:image/png;base64," + "A" * 100_000}
    items = [{"type": "computer_call_output", "call_id": "c2", "output": shot}]
    asked = read_asked(RESPONSES, json.dumps({"model": "auto", "input": items}).encode(), {})
    assert (asked.needs_vision, asked.tokens < 2000) == (True, True)


@pytest.mark.parametrize(("words", "least", "most"), [(1, 0, 200), (10_000, 14_000, 15_000)])
def test_what_the_assistant_wrote_is_counted_as_text(words: int, least: int, most: int) -> None:
    said = {"type": "output_text", "text": "word " * words}
    items = [{"role": "user", "content": EASY}, {"role": "assistant", "content": [said]}]
    asked = read_asked(RESPONSES, json.dumps({"model": "auto", "input": items}).encode(), {})
    assert least < asked.tokens < most


def test_a_file_is_no_text_and_needs_eyes() -> None:
    part = {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64," + "A" * 100_000}
    body = json.dumps({"model": "auto", "input": [{"role": "user", "content": [part]}]}).encode()
    asked = read_asked(RESPONSES, body, {})
    assert asked.needs_vision
    assert asked.tokens < 2000


def test_memory_of_answers_is_bounded() -> None:
    answered = AnsweredBy([("first", "cloud")])
    for number in range(MOST_ANSWERS):
        answered.note(f"resp_{number}", Target.DEVICE)
    answered.note("x" * 300, Target.CLOUD)
    assert len(answered) == MOST_ANSWERS
    assert answered.side_of("first") is None
    assert answered.side_of(f"resp_{MOST_ANSWERS - 1}") is Target.DEVICE
    assert answered.side_of("x" * 300) is None
