"""Overhead of the gateway next to its peers': all servers run at once and are asked in turns, one after another.

Time to the first byte is the client's: from the request's first byte sent to the first byte of the body. What a server
adds is its median minus the median of asking the upstream itself in the same run.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp

EASY = "what is 2+2?"


@dataclass(frozen=True)
class Contender:
    """One way to the upstream: the url of its chat completions, and the model to ask for."""

    name: str
    url: str
    model: str
    headers: tuple[tuple[str, str], ...] = ()

    def body(self, text: str, *, stream: bool = True) -> bytes:
        """Return the request's body."""
        messages = [{"role": "user", "content": text}]
        return json.dumps({"model": self.model, "stream": stream, "messages": messages}).encode()


@dataclass(frozen=True)
class Latency:
    """Times to the first byte in milliseconds."""

    median: float
    p99: float
    requests: int


async def first_bytes(contenders: Sequence[Contender], *, rounds: int, warm: int = 20) -> dict[str, Latency]:
    """Return each contender's time to first byte, one request at a time, in turns of a random order."""
    order = random.Random(0)
    times: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    async with _session() as session:
        for number in range(warm + rounds):
            for contender in order.sample(list(contenders), len(contenders)):
                # A text of its own for each request: the router remembers the scores of texts.
                took = await _first_byte(session, contender, f"{EASY} {number}")
                if number >= warm:
                    times[contender.name].append(took)
    return {name: _latency(values) for name, values in times.items()}


async def paced(contender: Contender, *, rate: float, seconds: float) -> Latency:
    """Return the time to first byte at `rate` requests a second that wait for nobody, from when each was due."""
    loop = asyncio.get_running_loop()
    async with _session() as session:
        begin = loop.time() + 0.1
        due = [begin + number / rate for number in range(int(rate * seconds))]

        async def one(number: int, at: float) -> float:
            await asyncio.sleep(at - loop.time())
            late = max(0.0, loop.time() - at) * 1000
            return late + await _first_byte(session, contender, f"{EASY} paced {number}")

        return _latency(await asyncio.gather(*(one(number, at) for number, at in enumerate(due))))


async def requests_per_second(
    contenders: Sequence[Contender], *, at_once: int, seconds: float, rounds: int
) -> dict[str, float]:
    """Return each contender's whole answers a second with `at_once` clients, the median of `rounds` in turns."""
    found: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for number in range(rounds):
        for contender in contenders:
            found[contender.name].append(await _throughput(contender, at_once, seconds, number))
    return {name: statistics.median(values) for name, values in found.items()}


async def _throughput(contender: Contender, at_once: int, seconds: float, number: int) -> float:
    done = 0
    async with _session() as session:
        end = time.perf_counter() + seconds

        async def client(index: int) -> None:
            nonlocal done
            while time.perf_counter() < end:
                body = contender.body(f"{EASY} {number} {index} {done}", stream=False)
                async with session.post(contender.url, data=body, headers=_headers(contender)) as answer:
                    await answer.read()
                    answer.raise_for_status()
                done += 1

        begin = time.perf_counter()
        await asyncio.gather(*(client(index) for index in range(at_once)))
        return done / (time.perf_counter() - begin)


async def _first_byte(session: aiohttp.ClientSession, contender: Contender, text: str) -> float:
    body = contender.body(text)
    begin = time.perf_counter()
    async with session.post(contender.url, data=body, headers=_headers(contender)) as answer:
        await answer.content.readany()
        took = (time.perf_counter() - begin) * 1000
        await answer.read()
        answer.raise_for_status()
    return took


def _headers(contender: Contender) -> dict[str, str]:
    return {"Content-Type": "application/json", **dict(contender.headers)}


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))


def _latency(values: Sequence[float]) -> Latency:
    ordered = sorted(values)
    return Latency(statistics.median(ordered), ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))], len(ordered))
