"""What clients see when sides fail, before the first byte and after it."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from aiohttp import web

from benchmarks.gateway.scripted import Way
from tests.support.gateway import EASY, HARD, Running, running
from tests.support.raw_upstream import http, raw_upstream
from vibe_router import Router, Target

QUICK = {"first_byte_s": 0.15, "answer_s": 0.15, "idle_s": 0.15, "retries": 0}
BEFORE = [
    Way.SILENT,
    Way.EARLY,
    Way.MALFORMED,
    Way.RATE_LIMITED,
    Way.SERVER_ERROR,
    Way.UNAUTHORIZED,
    Way.ERROR_EVENT,
]


@pytest.fixture(scope="module")
def shared(nano: Router, tmp_path_factory: pytest.TempPathFactory) -> Running:
    with running(nano, tmp_path_factory.mktemp("gateway"), device=QUICK, cloud=QUICK) as started:
        yield started


@pytest.fixture
def quick(shared: Running) -> Running:
    for upstream in (shared.device, shared.cloud):
        upstream.choose = lambda _: Way.WELL
        upstream.retry_after = None
        upstream.seen.clear()
    return shared


def data_events(text: str) -> list[dict[str, object]]:
    found = [line[6:] for line in text.split("\n") if line.startswith("data: ")]
    return [json.loads(item) for item in found if item != "[DONE]"]


@pytest.mark.parametrize("way", BEFORE)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("text", "side", "other"), [(EASY, "device", "cloud"), (HARD, "cloud", "device")])
def test_before_the_first_byte_the_other_side_answers(
    quick: Running, way: Way, stream: bool, text: str, side: str, other: str
) -> None:
    if way is Way.ERROR_EVENT and not stream:
        pytest.skip("a stream's fault")
    (quick.device if side == "device" else quick.cloud).choose = lambda _: way
    answer = quick.chat(text, stream=stream)
    assert answer.status_code == 200
    assert (answer.headers["x-vibe-target"], answer.headers["x-vibe-side"]) == (side, other)
    assert answer.headers["x-vibe-faults"].startswith(f"{side}:")
    assert other in answer.text
    assert f"{side}0" not in answer.text


@pytest.mark.parametrize("way", BEFORE)
@pytest.mark.parametrize("fields", [{"model": "device"}, {"metadata": {"vibe_allow_cloud": "no"}}])
def test_a_pin_gets_one_error_and_no_other_side(quick: Running, way: Way, fields: dict[str, object]) -> None:
    quick.device.choose = lambda _: way
    answer = quick.chat(HARD, stream=True, **fields)
    assert answer.status_code in (429, 502, 504)
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert quick.cloud.seen == []
    row = quick.rows()[-1]
    assert (row["outcome"], row["faults"].split(":")[0], row["side"]) == ("failed", "device", None)


@pytest.mark.parametrize("way", [Way.BROKEN, Way.NEVER, Way.UNFINISHED, Way.MALFORMED_LATER])
def test_after_the_first_byte_a_stream_ends_with_an_error_event(quick: Running, way: Way) -> None:
    quick.device.choose = lambda _: way
    answer = quick.chat(EASY, stream=True)
    assert answer.status_code == 200
    events = data_events(answer.text)
    assert "device0" in str(events[0])
    assert str(events[-1]["error"]["code"]).startswith("upstream_")  # type: ignore[index]
    assert "[DONE]" not in answer.text
    assert quick.cloud.seen == []
    assert quick.rows()[-1]["outcome"] == "broken"


@pytest.mark.parametrize(("last", "outcome"), [(1, "answered"), (None, "broken")])
def test_a_stream_has_ended_when_all_its_choices_have(
    nano: Router, tmp_path: Path, last: int | None, outcome: str
) -> None:
    ended = [(0, "a", None), (1, "b", None), (0, None, "stop"), (1, None, None if last is None else "stop")]
    chunks = [
        {"choices": [{"index": index, "delta": {"content": text}, "finish_reason": reason}]}
        for index, text, reason in ended
    ]
    body = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)
    with raw_upstream() as upstream, running(nano, tmp_path, device={"url": upstream.url, "model": "d"}) as gateway:
        upstream.answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + body
        answer = gateway.chat(model="device", stream=True, n=2)
        assert ("upstream_broken" in answer.text, gateway.rows()[0]["outcome"]) == (outcome == "broken", outcome)


def test_a_stream_ends_although_its_side_keeps_the_connection(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunk = {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}]}
    body = f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n: goodbye\n\n"

    async def keep_open(request: web.Request, *_: object) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(body.encode())
        await asyncio.sleep(3600)
        return response

    monkeypatch.setattr(gateway.device, "_stream", keep_open)
    # Who waits for more waits for a minute, and this client does not.
    assert gateway.chat(model="device", stream=True).text.startswith(body.partition(": goodbye")[0])


def test_heartbeats_are_no_first_byte_and_reach_the_client(quick: Running) -> None:
    quick.device.choose = lambda _: Way.HEARTBEAT
    answer = quick.chat(EASY, stream=True)
    assert answer.text.startswith(": still here\n\n")
    assert answer.text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("stream", [False, True])
def test_a_kept_connection_that_has_ended_is_asked_for_anew_on_its_side(
    nano: Router, tmp_path: Path, stream: bool
) -> None:
    with running(nano, tmp_path, device={"model": "m", "retries": 0}) as gateway:
        assert gateway.chat(EASY).headers["x-vibe-side"] == "device"
        ways = iter([Way.EARLY, Way.WELL, Way.EARLY, Way.EARLY])
        gateway.device.choose = lambda _: next(ways)
        answer = gateway.chat(EASY, stream=stream)
        assert (answer.headers["x-vibe-side"], answer.headers["x-vibe-faults"]) == ("device", "device:broken")
        # On a new connection it is one.
        gateway.run(_close_kept(gateway))
        assert gateway.chat(EASY, stream=stream).headers["x-vibe-side"] == "cloud"
        assert len(gateway.device.seen) == 4


async def _close_kept(gateway: Running) -> None:
    connector = gateway.gateway.live.sessions[Target.DEVICE].connector
    assert connector is not None
    for connections in connector._conns.values():
        while connections:
            protocol, _ = connections.popleft()
            protocol.close()


def test_a_stream_may_begin_later_than_it_may_pause(nano: Router, tmp_path: Path) -> None:
    with running(nano, tmp_path, device={"idle_s": 0.1, "first_byte_s": 30.0, "retries": 0}) as gateway:
        gateway.device.choose, gateway.device.slow_s = lambda _: Way.SLOW, 0.5
        answer = gateway.chat(EASY, stream=True)
        assert (answer.headers["x-vibe-side"], answer.text.count("device")) == ("device", 7)


@pytest.mark.parametrize("name", [b"event: error", b"event:error", b"id: 1\r\nevent: error"])
def test_an_error_may_be_in_the_name_of_its_event_alone(nano: Router, tmp_path: Path, name: bytes) -> None:
    error = name + b'\r\ndata: {"message": "out of memory"}\r\n\r\n'
    piece = b'data: {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": null}]}\n\n'
    with raw_upstream() as upstream, running(nano, tmp_path, device={"url": upstream.url, "model": "m"}) as gateway:
        upstream.answer = http(error, kind=b"text/event-stream")
        assert gateway.chat(EASY, stream=True).headers["x-vibe-faults"] == "device:server_error"
        upstream.answer = http(piece + error, kind=b"text/event-stream")
        # OpenAI's clients raise on what is in the data.
        assert data_events(gateway.chat(EASY, stream=True).text)[-1]["error"]
        assert [row["outcome"] for row in gateway.rows()] == ["answered", "broken"]


def test_a_clients_own_mistake_is_passed_on_and_not_tried_elsewhere(quick: Running) -> None:
    quick.device.choose = lambda _: Way.BAD_REQUEST
    answer = quick.chat(EASY)
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, "device says 400")
    assert quick.cloud.seen == []


def test_a_refusal_in_other_words_is_passed_on_too(nano: Router, tmp_path: Path) -> None:
    page = b"<html>413 Request Entity Too Large</html>"
    head = f"HTTP/1.1 413 Too Large\r\nContent-Type: text/html\r\nContent-Length: {len(page)}\r\n\r\n"
    with raw_upstream() as upstream, running(nano, tmp_path, device={"url": upstream.url, "model": "d"}) as gateway:
        upstream.answer = head.encode() + page
        for stream in (False, True):
            answer = gateway.chat(EASY, stream=stream)
            assert (answer.status_code, answer.json()["error"]["code"]) == (413, "upstream_refused")
        assert gateway.cloud.seen == []


def test_both_sides_down_is_one_error(quick: Running) -> None:
    quick.device.choose = quick.cloud.choose = lambda _: Way.SERVER_ERROR
    answer = quick.chat(EASY)
    assert answer.status_code == 502
    assert "device" in answer.json()["error"]["message"]
    assert "cloud" in answer.json()["error"]["message"]


def test_an_unreachable_side_is_quickly_replaced(nano: Router, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with running(nano, tmp_path, device={"url": url, "model": "x"}) as gateway:
            answer = gateway.chat(EASY)
            assert (answer.headers["x-vibe-side"], answer.headers["x-vibe-faults"]) == ("cloud", "device:connect")


@pytest.mark.parametrize(
    ("models", "status", "code"),
    [
        (http(b'{"error": {}}', status=b"401 Unauthorized"), 502, "upstream_refused_key"),
        (http(b"", status=b"404 Not Found"), 502, "upstream_unknown_model"),
        (http(b"", status=b"429 Too Many Requests"), 429, "rate_limited"),
        (http(b"", status=b"500 Internal Server Error"), 502, "upstream_server_error"),
        (http(b"<html>"), 502, "upstream_malformed"),
        (http(b'{"data": []}'), 502, "upstream_unknown_model"),
        (b"", 502, "upstream_broken"),
    ],
)
def test_a_side_that_lists_no_model_is_told_by_its_own_fault(
    nano: Router, tmp_path: Path, models: bytes, status: int, code: str
) -> None:
    with raw_upstream() as upstream:
        upstream.models = models
        with running(nano, tmp_path, device={"url": upstream.url, "retries": 0}) as gateway:
            refused = gateway.chat(EASY, model="device")
            assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)


def test_faults_that_the_settings_do_not_name_are_not_answered_elsewhere(nano: Router, tmp_path: Path) -> None:
    with running(nano, tmp_path, faults={"device_to_cloud": ["connect"]}, device={"retries": 0}) as gateway:
        gateway.device.choose = lambda _: Way.SERVER_ERROR
        assert gateway.chat(EASY).status_code == 502
        assert gateway.cloud.seen == []


def test_where_no_other_side_may_answer_a_fault_the_same_is_asked_again(nano: Router, tmp_path: Path) -> None:
    with running(nano, tmp_path, faults={"device_to_cloud": ["connect"]}) as gateway:
        ways = iter([Way.SERVER_ERROR, Way.WELL])
        gateway.device.choose = lambda _: next(ways)
        answer = gateway.chat(EASY)
        assert (answer.status_code, answer.headers["x-vibe-side"]) == (200, "device")
        assert gateway.cloud.seen == []


def test_a_fault_does_not_spend_more_than_the_budget(nano: Router, tmp_path: Path) -> None:
    with running(nano, tmp_path, budget={"requests": 1}, device={"answer_s": 0.5}) as gateway:
        gateway.device.choose = lambda _: Way.SILENT
        with ThreadPoolExecutor(3) as pool:
            answers = list(pool.map(lambda _: gateway.chat(EASY), range(3)))
        assert sorted(answer.status_code for answer in answers) == [200, 504, 504]
        assert len(gateway.cloud.seen) == 1


def test_retry_after_is_waited_for_where_no_other_side_may_answer(nano: Router, tmp_path: Path) -> None:
    with running(nano, tmp_path) as gateway:
        ways = iter([Way.RATE_LIMITED, Way.WELL])
        gateway.device.choose = lambda _: next(ways)
        gateway.device.retry_after = "0.3"
        started = time.monotonic()
        answer = gateway.chat(EASY, model="device")
        assert answer.status_code == 200
        assert time.monotonic() - started >= 0.3
        # To wait for a side is no work of the gateway's.
        (row,) = gateway.rows()
        assert row["first_byte_ms"] - float(answer.headers["x-vibe-overhead-ms"]) >= 300
        assert len(gateway.device.seen) == 2


@pytest.mark.parametrize(("asked", "told"), [("0.2", "1"), ("6.2", "7"), ("8", "8")])
def test_no_shorter_wait_is_told_than_a_side_has_asked_for(nano: Router, tmp_path: Path, asked: str, told: str) -> None:
    with running(nano, tmp_path, device={"retries": 0}) as gateway:
        gateway.device.choose, gateway.device.retry_after = lambda _: Way.RATE_LIMITED, asked
        assert gateway.chat(EASY, model="device").headers["retry-after"] == told


def test_a_long_retry_after_is_told_and_the_side_is_left_alone(nano: Router, tmp_path: Path) -> None:
    with running(nano, tmp_path) as gateway:
        gateway.device.choose = lambda _: Way.RATE_LIMITED
        gateway.device.retry_after = "60"
        answer = gateway.chat(EASY, model="device")
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
        assert gateway.chat(EASY).headers["x-vibe-side"] == "cloud"
        assert gateway.chat(EASY, model="device").status_code == 429
        assert len(gateway.device.seen) == 1
