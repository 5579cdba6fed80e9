"""Nonsense from clients and sides: one error each, no fault of the gateway's, and a log that goes on."""

from __future__ import annotations

import asyncio
import logging
import socket
import sqlite3
from collections.abc import Iterator

import pytest

from tests.support.gateway import EASY, Running, running
from tests.support.raw_upstream import RawUpstream, http, raw_upstream
from vibe_router import Router
from vibe_router.policy import Target
from vibe_router_gateway.config.settings import Settings
from vibe_router_gateway.upstream.events import EventCutter
from vibe_router_gateway.upstream.faults import read_retry_after
from vibe_router_gateway.upstream.probe import probe

DIGITS = b"9" * 4000


@pytest.fixture(scope="module")
def upstream() -> Iterator[RawUpstream]:
    with raw_upstream() as started:
        yield started


@pytest.fixture(scope="module")
def raw(nano: Router, upstream: RawUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    device = {"url": upstream.url, "model": "m", "retries": 0, "input_price": 1.0}
    with running(nano, tmp_path_factory.mktemp("raw"), device=device, faults={"longest_wait_s": 0.0}) as started:
        yield started


def test_no_request_ends_the_log(gateway: Running) -> None:
    half = '{"model": "\\ud800", "messages": [{"role": "user", "content": "hi"}]}'
    assert gateway.client.post("/v1/chat/completions", content=half).status_code == 404
    assert gateway.client.post("/v1/feedback", content='{"id": "req_\\ud800", "better": "same"}').status_code == 200
    assert gateway.chat(EASY).status_code == 200
    rows = gateway.rows()
    assert [row["asked_model"] for row in rows] == ["?", "auto"]
    assert gateway.gateway.log is not None
    assert gateway.gateway.log.lost == 0


@pytest.mark.parametrize("tokens", [2**63, 10**400])
def test_no_number_of_tokens_is_too_large(gateway: Running, tokens: int) -> None:
    assert gateway.chat(EASY, max_tokens=tokens).status_code == 200
    assert gateway.client.post("/v1/decision", json={"messages": [], "max_tokens": tokens}).status_code == 400


def test_a_name_without_end_is_refused(gateway: Running) -> None:
    refused = gateway.chat(EASY, model="x" * 2_000_000)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "model")
    assert len(refused.content) < 1000


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "http://\u212a\uff0f", "//", ""])
def test_an_origin_that_is_none_is_refused(gateway: Running, origin: str) -> None:
    refused = gateway.chat(EASY, headers={"Origin": origin.encode()})  # type: ignore[dict-item]
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "wrong_origin")


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_body_that_is_not_compressed_as_it_says(
    gateway: Running, encoding: str, caplog: pytest.LogCaptureFixture
) -> None:
    refused = gateway.client.post("/v1/chat/completions", content=b"nothing", headers={"Content-Encoding": encoding})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_body")
    gateway.rows()
    assert [record for record in caplog.records if record.exc_info] == []


@pytest.mark.parametrize(
    "sent",
    [
        b"garbage\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    ],
)
def test_garbage_gets_no_traceback(gateway: Running, sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    address = gateway.url.removeprefix("http://").split(":")
    with caplog.at_level(logging.DEBUG), socket.create_connection((address[0], int(address[1]))) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
    assert [record for record in caplog.records if record.exc_info] == []
    assert gateway.client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (http(b'{"id": "x", "usage": {"prompt_tokens": %s, "completion_tokens": 1}}' % DIGITS), 200),
        (http(b'{"id": "x", "usage": {"prompt_tokens": 9223372036854775808, "completion_tokens": 1}}'), 200),
        (http(b'{"id": "\\ud800"}'), 200),
        (http(headers=b"openai-model: \x1b[31m\r\nx-request-id: \x7f\r\n"), 200),
        (http(headers=b"openai-model: \xff\r\nx-request-id: \xff\r\n"), 200),
        (http(headers=b"content-type: text/html\r\n"), 200),
        (http(status=b"099 Early"), 502),
        (http(status=b"000 None"), 502),
        (http(status=b"429 Slow", headers=b"Retry-After: " + b"9" * 400 + b"\r\n"), 429),
        (http(status=b"429 Slow", headers=b"Retry-After-Ms: inf\r\n"), 429),
    ],
)
def test_no_answer_of_a_side_is_a_fault_of_the_gateway(
    raw: Running, upstream: RawUpstream, answer: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.answer = answer
    raw.gateway.live.rests.clear()
    before = len(raw.rows())
    got = raw.chat(EASY, model="device")
    assert got.status_code == status
    assert "internal" not in got.text
    assert len(raw.rows()) == before + 1
    assert [record for record in caplog.records if record.exc_info] == []
    assert "Infinity" not in raw.client.get("/readyz").text


@pytest.mark.parametrize(
    ("value", "expected"),
    [("9" * 400, 86400), ("Fri, 31 Dec 9999 23:59:59 GMT", 86400), ("-1", None), ("1.5", 1.5), ("\u00b2", None)],
)
def test_a_side_is_left_alone_for_a_day_at_most(value: str, expected: float | None) -> None:
    assert read_retry_after({"retry-after": value}) == expected
    assert read_retry_after({"retry-after-ms": "nan"}) is None
    assert read_retry_after({"retry-after-ms": "-inf"}) == 0


@pytest.mark.parametrize(
    "models",
    [
        http(b'{"data": [{"id": "m"}]}', kind=b"application/json; charset=rot13"),
        http(b"[" * 100_000),
        http(b'{"data": 5}'),
        http(b'{"data": [5]}'),
        http(b'{"data": [{"id": ["m"]}]}'),
        http(b'{"data": [' + b" " * 9_000_000 + b"]}"),
        http(status=b"307 Elsewhere", headers=b"Location: http://127.0.0.1:1/\r\n"),
        b"\x00",
    ],
)
def test_no_list_of_models_is_a_fault_of_the_gateway(raw: Running, upstream: RawUpstream, models: bytes) -> None:
    upstream.models = models
    live = raw.gateway.live
    live._listed.clear()
    assert raw.client.get("/v1/models").status_code == 200
    (report, _) = raw.run(probe(live.settings))
    assert report.upstream.side is Target.DEVICE
    assert report.usable == (b"rot13" in models)


def test_a_damaged_log_is_told_and_not_a_fault(gateway: Running, caplog: pytest.LogCaptureFixture) -> None:
    gateway.chat(EASY)
    gateway.rows()
    with sqlite3.connect(gateway.log) as connection:
        connection.execute("UPDATE decisions SET p_cloud = x'ff', side = x'ff'")
    connection.close()
    told = gateway.client.get("/v1/vibe/status")
    assert (told.status_code, told.json()["error"]["code"]) == (500, "failed")
    assert [record for record in caplog.records if record.exc_info] == []


def test_a_storm_of_signals_is_two_reloads(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    read = gateway.gateway._read_settings
    assert read is not None
    times: list[int] = []

    def counted() -> Settings:
        times.append(1)
        return read()

    monkeypatch.setattr(gateway.gateway, "_read_settings", counted)

    async def storm() -> None:
        await asyncio.gather(*(gateway.gateway.reload_or_warn() for _ in range(50)))

    gateway.run(storm())
    assert len(times) <= 2
    assert gateway.chat(EASY).status_code == 200


@pytest.mark.parametrize(
    ("end", "blank"), [(b"\n", b"\n"), (b"\r", b"\r"), (b"\r\n", b"\r\n"), (b"\n", b"\r\n"), (b"\r\n", b"\n")]
)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_events_are_cut_alike_however_they_arrive(end: bytes, blank: bytes, mark: bytes) -> None:
    sent = b"".join(b"data: {}" + end + b"x: y" + end + blank for _ in range(3)) + b"data: [DONE]" + end + blank
    sent = mark + sent
    events = EventCutter(most_bytes=1000).feed(sent)
    assert [event.data for event in events] == [{}] * 4
    whole = [event.raw for event in events]
    assert b"".join(whole) == sent
    for size in (1, 2, 3, 5):
        cutter = EventCutter(most_bytes=1000)
        pieces = [cutter.feed(sent[place : place + size]) for place in range(0, len(sent), size)]
        assert [event.raw for events in pieces for event in events] == whole
        assert b"".join(event.raw for events in pieces for event in events) == sent


@pytest.mark.parametrize("size", [1, 1000])
def test_nothing_after_the_end_of_a_stream_is_read(size: int) -> None:
    cutter, sent = EventCutter(most_bytes=1000), b"data: {}\n\ndata: [DONE]\n\ndata: {trash\n\n"
    found = []
    for place in range(0, len(sent), size):
        found += cutter.feed(sent[place : place + size])
        if found and found[-1].done:
            break
    cutter.check()
    assert [event.done for event in found] == [False, True]
