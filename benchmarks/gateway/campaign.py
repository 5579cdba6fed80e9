"""Many requests while both sides fail at random and clients leave: does each end as it must, and is each logged?

The promises, of which one broken is enough to fail: a request that is waited for ends in a whole answer, one
well-formed error, or an error event at the end of a stream; a forbidden cloud is not asked; no side is asked twice for
one answer without a fault between; every request is in the log, with the outcome that its client saw.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from benchmarks.gateway.scripted import ScriptedUpstream, Way
from vibe_router_gateway.config.reading import load_settings
from vibe_router_gateway.gateway import Gateway
from vibe_router_gateway.live import open_live
from vibe_router_gateway.log.writer import LogWriter
from vibe_router_gateway.server import start, stop

_TEXTS = ("hi", "what is 2+2?", "Design a distributed consensus algorithm", "Explain quantum error correction codes")
_AT_ONCE = 32
_WELL_SHARE = 0.5
_LEAVING_SHARE = 0.1
_PATIENCE_S = 1.0
"""Of the gateway with its sides: long for a busy machine, short for the requests that nobody ever answers."""


@dataclass
class Report:
    """What happened; `broken_promises` must be empty."""

    requests: int = 0
    ends: dict[str, int] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    upstream_requests: int = 0
    forbidden_requests: int = 0
    log_lost: int = 0
    broken_promises: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Sent:
    mark: str
    forbidden: bool
    end: str
    request_id: str | None


def run_campaign(folder: Path, *, requests: int, seed: int) -> Report:
    """Send `requests` and return what became of them."""
    return asyncio.run(_run(folder, requests, seed))


async def _run(folder: Path, requests: int, seed: int) -> Report:
    # The scripted sides break their own connections, which aiohttp would report each time.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    chance = random.Random(seed)
    ways = [way for way in Way if way is not Way.WELL]

    def choose(_: dict[str, Any]) -> Way:
        return Way.WELL if chance.random() < _WELL_SHARE else chance.choice(ways)

    sides = [ScriptedUpstream(name, choose, slow_s=0.3) for name in ("device", "cloud")]
    runners, urls = [], []
    for side in sides:
        runner = web.AppRunner(side.app(), handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        runners.append(runner)
        urls.append(f"http://127.0.0.1:{runner.addresses[0][1]}/v1")
    quick = {"first_byte_s": _PATIENCE_S, "answer_s": _PATIENCE_S, "idle_s": _PATIENCE_S, "retries": 1}
    settings = load_settings(
        None,
        options={
            "device": {"url": urls[0], "model": "d", **quick},
            "cloud": {"url": urls[1], "model": "c", **quick},
            "server": {"port": 0},
            "limits": {"drain_s": 1.0},
        },
        environment={},
    )
    gateway = Gateway(open_live(settings), log=LogWriter(folder / "log.sqlite3"))
    await gateway.begin()
    runner, port = await start(gateway)
    try:
        sent = await _send_all(f"http://127.0.0.1:{port}/v1/chat/completions", requests, chance)
    finally:
        await stop(runner, gateway)
        for other in runners:
            await other.cleanup()
    return _judge(sent, sides, folder / "log.sqlite3", 0 if gateway.log is None else gateway.log.lost)


async def _send_all(url: str, requests: int, chance: random.Random) -> list[_Sent]:
    sent: list[_Sent] = []
    numbers = iter(range(requests))
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as session:

        async def client() -> None:
            for number in numbers:
                sent.append(await _send(session, url, number, chance))

        await asyncio.gather(*(client() for _ in range(_AT_ONCE)))
    return sent


async def _send(session: aiohttp.ClientSession, url: str, number: int, chance: random.Random) -> _Sent:
    mark, forbidden, stream = f"m{number}", chance.random() < 0.3, chance.random() < 0.6
    body: dict[str, Any] = {
        "model": chance.choice(["auto", "auto", "auto", "device", "cloud"]),
        "messages": [{"role": "user", "content": chance.choice(_TEXTS)}],
        "stream": stream,
        "user": mark,
    }
    if forbidden:
        body["metadata"] = {"vibe_allow_cloud": "false"}
    patience = chance.uniform(0.0, 0.25) if chance.random() < _LEAVING_SHARE else 60.0
    request_id = None
    try:
        async with session.post(url, json=body, timeout=aiohttp.ClientTimeout(total=patience)) as answer:
            request_id = answer.headers.get("x-request-id")
            end = _end(answer.status, stream, await answer.read())
    except asyncio.TimeoutError:
        end = "left" if patience < 60 else "hung"
    except aiohttp.ClientError as error:
        end = f"connection: {type(error).__name__}"
    return _Sent(mark, forbidden, end, request_id)


def _end(status: int, stream: bool, body: bytes) -> str:
    """Return in a word how a request ended, `malformed` where it is none of the three allowed ways."""
    try:
        if status != 200 or not stream:
            value = json.loads(body)
            return "answer" if status == 200 and "choices" in value else _error(value)
        events = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: ")]
        if events and events[-1] == b"[DONE]":
            return "answer"
        last = json.loads(events[-1])
        return "error event" if _error(last) == "error" else "malformed"
    except (ValueError, IndexError, KeyError, TypeError):
        return "malformed"


def _error(value: dict[str, Any]) -> str:
    return "error" if {"message", "type", "code"} <= set(value["error"]) else "malformed"


_OUTCOMES = {"answer": {"answered"}, "error": {"refused", "failed", "answered"}, "error event": {"broken"}}
"""What the log may say for what a client saw; a client's own mistake is an upstream's error, answered as it is."""


def _judge(sent: list[_Sent], sides: list[ScriptedUpstream], log: Path, lost: int) -> Report:
    connection = sqlite3.connect(log)
    rows = dict(connection.execute("SELECT id, outcome FROM decisions").fetchall())
    faults = dict(connection.execute("SELECT id, faults FROM decisions").fetchall())
    connection.close()
    report = Report(
        requests=len(sent),
        ends=dict(Counter(one.end for one in sent)),
        outcomes=dict(Counter(rows.values())),
        upstream_requests=sum(len(side.seen) for side in sides),
        forbidden_requests=sum(one.forbidden for one in sent),
        log_lost=lost,
    )
    broken = report.broken_promises
    for one in sent:
        if one.end not in (*_OUTCOMES, "left"):
            broken.append(f"{one.mark} ended as {one.end}")
        if one.end in _OUTCOMES and one.request_id is None:
            broken.append(f"{one.mark} has no id")
        elif one.end in _OUTCOMES and not lost and rows.get(str(one.request_id)) not in _OUTCOMES[one.end]:
            broken.append(f"{one.mark} ended as {one.end} and is logged as {rows.get(str(one.request_id))}")
    forbidden = {one.mark for one in sent if one.forbidden}
    for side in sides:
        asked = Counter(seen.fields["user"] for seen in side.seen)
        broken += [
            f"{mark} is forbidden and reached the cloud" for mark in asked if side.name == "cloud" and mark in forbidden
        ]
    asked = Counter(seen.fields["user"] for side in sides for seen in side.seen)
    for one in sent:
        # A side may have received a request that the gateway then took for lost: that is one fault and one more try.
        if one.request_id in faults and asked[one.mark] > len((faults[one.request_id] or "").split()) + 1:
            broken.append(f"{one.mark} was asked {asked[one.mark]} times without as many faults")
    waiting = [name for name, outcome in rows.items() if outcome == "open"]
    broken += [f"{name} is still open in the log" for name in waiting]
    if not lost and len(rows) < sum(one.end != "left" for one in sent):
        broken.append(f"the log has {len(rows)} rows for {len(sent)} requests")
    return report
