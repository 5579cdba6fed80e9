"""A client that leaves cancels its upstream: while scoring, before the first byte, and in mid-stream."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from benchmarks.gateway.scripted import ScriptedUpstream, Way
from tests.support.gateway import EASY, Running, running
from vibe_router import Router

SOON_S = 5.0


def send(gateway: Running, text: str, *, stream: bool) -> socket.socket:
    body = json.dumps({"model": "auto", "stream": stream, "messages": [{"role": "user", "content": text}]}).encode()
    where = urlsplit(gateway.url)
    connection = socket.create_connection((where.hostname or "", where.port or 0))
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)
    return connection


def until(true: object) -> None:
    end = time.monotonic() + SOON_S
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.002)


def left(upstream: ScriptedUpstream) -> bool:
    return bool(upstream.seen) and upstream.seen[-1].left_at is not None


@pytest.mark.parametrize(("way", "stream"), [(Way.SILENT, True), (Way.SILENT, False), (Way.NEVER, True)])
def test_leaving_cancels_the_upstream(gateway: Running, way: Way, stream: bool) -> None:
    gateway.device.choose = lambda _: way
    with send(gateway, EASY, stream=stream) as connection:
        until(lambda: gateway.device.seen)
        if way is Way.NEVER:
            while b"device0" not in connection.recv(65536):
                pass
    until(lambda: left(gateway.device))
    until(lambda: gateway.rows()[-1]["outcome"] == "left")
    assert gateway.cloud.seen == []


def test_an_answer_without_end_is_cut_when_the_time_to_drain_is_over(
    nano: Router, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    class Runner(web.AppRunner):
        def __init__(self, app: web.Application, *, shutdown_timeout: float = 60.0, **options: Any) -> None:
            waits.append(shutdown_timeout)
            super().__init__(app, shutdown_timeout=shutdown_timeout, **options)

    monkeypatch.setattr("vibe_router_gateway.server.web.AppRunner", Runner)
    with running(nano, tmp_path, limits={"drain_s": 1.0}) as gateway:
        gateway.device.choose = lambda _: Way.NEVER
        connection = send(gateway, EASY, stream=True)
        assert connection.recv(10)
        begun = time.monotonic()
    # aiohttp waits twice for what it was given.
    assert 2 * waits[-1] == 1.0 <= time.monotonic() - begun
    connection.close()


def test_leaving_while_scoring_asks_no_side(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    scoring = asyncio.Event()
    cancelled = asyncio.Event()

    async def endless(*_: object, **__: object) -> None:
        scoring.set()
        try:
            await asyncio.sleep(3600)
        finally:
            cancelled.set()

    monkeypatch.setattr(Router, "aroute_chat", endless)
    # Too long for the event loop itself.
    with send(gateway, EASY + " there" * 50, stream=True):
        until(scoring.is_set)
    until(cancelled.is_set)
    assert gateway.device.seen == gateway.cloud.seen == []
    until(lambda: gateway.rows()[-1]["outcome"] == "left")
