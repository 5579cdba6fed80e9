"""The gateway for long: its memory over very many requests, and many streams that are open at once.

The requests differ in what they use: a score in the event loop, a score in a thread (a conversation that is longer than
200 characters), a stream, a named side, the responses API with a follow-up, an error. Each has a text of its own.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.gateway.processes import free_port, module, resident_mib, serving

_AT_ONCE = 16
_SAMPLES = 20
_STREAM_PIECES, _STREAM_PAUSE_S = 40, 0.5
_LONG = "and then the quick brown fox jumps over the lazy dog " * 5


@dataclass
class _Run:
    """A running gateway, and what its answers were."""

    url: str
    session: aiohttp.ClientSession
    statuses: dict[str, int] = field(default_factory=dict)
    previous: str | None = None

    async def send(self, number: int) -> None:
        """Send the request of this number and read its whole answer."""
        text = f"what is {number} + {number}?"
        path = "/v1/chat/completions"
        body: dict[str, Any] = {"model": "auto", "messages": [{"role": "user", "content": text}]}
        kind = number % 6
        if kind == 1:
            body["messages"] = [{"role": "user", "content": f"{text} {_LONG}"}]
        elif kind == 2:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        elif kind == 3:
            body["model"] = "device"
        elif kind == 4:
            path, body = "/v1/responses", {"model": "auto", "input": text, "previous_response_id": self.previous}
        elif kind == 5:
            body["model"] = f"no-model-{number}"
        async with self.session.post(self.url + path, json=body) as answer:
            content = await answer.read()
            if kind == 4 and answer.status == 200:
                self.previous = json.loads(content)["id"]
            name = str(answer.status)
        self.statuses[name] = self.statuses.get(name, 0) + 1


def measure_memory(folder: Path, *, requests: int) -> dict[str, Any]:
    """Return the gateway's resident memory in MiB after each twentieth of the requests, and how they ended.

    Raises:
        VibeRouterError: a server does not start.
    """
    with ExitStack() as servers:
        url, pid = _start(servers, folder, pieces=3, pause_s=0.0)
        return asyncio.run(_memory(url, pid, requests))


def measure_streams(folder: Path, *, streams: int) -> dict[str, Any]:
    """Return how many of `streams` open streams were whole, what they cost, and how others were served meanwhile.

    Raises:
        VibeRouterError: a server does not start.
    """
    with ExitStack() as servers:
        url, pid = _start(servers, folder, pieces=_STREAM_PIECES, pause_s=_STREAM_PAUSE_S)
        return asyncio.run(_streams(url, pid, streams))


def _start(servers: ExitStack, folder: Path, *, pieces: int, pause_s: float) -> tuple[str, int]:
    upstream, port = free_port(), free_port()
    command = module("benchmarks.gateway.serve_upstream", str(upstream), str(pieces), str(pause_s))
    servers.enter_context(serving(command, upstream, log=folder / "upstream.txt"))
    side = f"http://127.0.0.1:{upstream}/v1"
    sides = ["--device", side, "--device-model", "d", "--cloud", side, "--cloud-model", "c"]
    command = module(
        "vibe_router_tools", "serve", *sides, "--port", str(port), "--log", str(folder / f"{port}.sqlite3")
    )
    return f"http://127.0.0.1:{port}", servers.enter_context(serving(command, port, log=folder / "gateway.txt"))


async def _memory(url: str, pid: int, requests: int) -> dict[str, Any]:
    samples: list[dict[str, float]] = []
    async with _session() as session:
        run = _Run(url, session)
        for number in range(6 * _AT_ONCE):
            await run.send(number)
        before = resident_mib(pid)
        numbers = iter(range(requests))

        async def client() -> None:
            for number in numbers:
                await run.send(number)
                if (number + 1) % max(1, requests // _SAMPLES) == 0:
                    samples.append({"requests": number + 1, "mib": round(resident_mib(pid), 2)})

        run.statuses.clear()
        began = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(_AT_ONCE)))
        took = time.perf_counter() - began
    return {
        "requests": requests,
        "statuses": run.statuses,
        "requests_per_second": requests / took,
        "mib_before": before,
        "samples": samples,
        "growth_of_second_half_mib": samples[-1]["mib"] - samples[len(samples) // 2 - 1]["mib"],
    }


async def _streams(url: str, pid: int, streams: int) -> dict[str, Any]:
    body = {"model": "auto", "stream": True, "messages": [{"role": "user", "content": "what is 2+2?"}]}
    async with _session() as session:
        before = resident_mib(pid)
        opened = 0

        async def stream() -> bool:
            nonlocal opened
            async with session.post(url + "/v1/chat/completions", json=body) as answer:
                await answer.content.readany()
                opened += 1
                return (await answer.read()).endswith(b"data: [DONE]\n\n")

        held = [asyncio.create_task(stream()) for _ in range(streams)]
        while opened < streams and not any(task.done() for task in held):
            await asyncio.sleep(0.01)
        open_at_once, during = opened, resident_mib(pid)
        decisions = await _decisions(session, url)
        whole = sum(await asyncio.gather(*held))
    return {
        "streams": streams,
        "open_at_once": open_at_once,
        "whole": whole,
        "seconds_each": _STREAM_PIECES * _STREAM_PAUSE_S,
        "mib_before": before,
        "mib_during": during,
        "decision_ms_meanwhile": decisions,
    }


async def _decisions(session: aiohttp.ClientSession, url: str) -> float:
    """Return the median time in milliseconds of a decision, whatever else the gateway does meanwhile."""
    times = []
    for number in range(50):
        began = time.perf_counter()
        body = {"messages": [{"role": "user", "content": f"what is {number}?"}]}
        async with session.post(url + "/v1/decision", json=body) as answer:
            await answer.read()
            answer.raise_for_status()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=600))
