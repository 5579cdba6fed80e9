"""Decisions without an answer: how soon other gateways, which use this router as their classifier, have one.

Real prompts of three lengths go to POST /v1/decision and POST /v1/systemone, one at a time over one connection, in
turns of a random order. Each has a text of its own, because the router remembers the scores of texts.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.gateway.processes import free_port, module, serving
from benchmarks.prompts import real_prompts
from vibe_router import Router

LENGTHS = {"4 to 15": (4, 15), "16 to 48": (16, 48), "49 to 200": (49, 200)}
"""Tokens of the prompts, [CLS] and [SEP] included."""

PATHS = ("decision", "systemone")
_TIERS = {"criteria": {"SIMPLE": "a", "MEDIUM": "b", "COMPLEX": "c", "REASONING": "d"}, "type": "choice"}
_WARM = 20


def measure_decisions(folder: Path, bundle: str | None, *, requests: int, prompts: Path | None) -> dict[str, Any]:
    """Return milliseconds to a whole decision by endpoint and prompt length, of a gateway that serves `bundle`.

    Raises:
        VibeRouterError: the gateway does not start, or the bundle or the prompts cannot be read.
    """
    with Router.load(bundle) as router:
        name, texts = real_prompts(prompts, router.bundle)
        chosen = _by_length(router, texts, requests)
        facts = {
            "bundle": router.bundle.manifest.name,
            "engine": f"{router.engine.name} {router.engine.precision}",
            "prompts": name,
        }
    port = free_port()
    options = ["--port", str(port), "--log", str(folder / "log.sqlite3"), *(["--bundle", bundle] if bundle else [])]
    # Nobody is asked for an answer; a gateway wants a side all the same.
    sides = ["--device", f"http://127.0.0.1:{free_port()}/v1", "--device-model", "none"]
    with ExitStack() as servers:
        command = module("vibe_router_tools", "serve", *sides, *options)
        servers.enter_context(serving(command, port, log=folder / "gateway.txt"))
        return {**facts, "ms": asyncio.run(_measure(f"http://127.0.0.1:{port}", chosen))}


def _by_length(router: Router, texts: Sequence[str], requests: int) -> dict[str, list[str]]:
    """Return up to `requests` different texts for each range of tokens, drawn by a seed."""
    chosen: dict[str, list[str]] = {name: [] for name in LENGTHS}
    for text in random.Random(0).sample(list(dict.fromkeys(texts)), len(set(texts))):
        tokens = router.tokenizer.encode(text).tokens
        for name, (least, most) in LENGTHS.items():
            if least <= tokens <= most and len(chosen[name]) < requests + _WARM:
                chosen[name].append(text)
        if all(len(part) == requests + _WARM for part in chosen.values()):
            break
    return chosen


async def _measure(url: str, chosen: Mapping[str, Sequence[str]]) -> dict[str, dict[str, dict[str, float]]]:
    # Half of the texts each, so that no score is remembered from the other.
    calls = [
        (number, name, PATHS[number % 2], text) for name, texts in chosen.items() for number, text in enumerate(texts)
    ]
    warm = [call for call in calls if call[0] < _WARM]
    timed = [call for call in calls if call[0] >= _WARM]
    random.Random(1).shuffle(timed)
    times: dict[tuple[str, str], list[float]] = {}
    async with aiohttp.ClientSession() as session:
        for place, (_, name, path, text) in enumerate([*warm, *timed]):
            took = await _ask(session, f"{url}/v1/{path}", _body(path, text))
            if place >= len(warm):
                times.setdefault((path, name), []).append(took)
    return {path: {name: _figures(times[path, name]) for name in chosen if (path, name) in times} for path in PATHS}


def _body(path: str, text: str) -> bytes:
    if path == "decision":
        return json.dumps({"messages": [{"role": "user", "content": text}]}).encode()
    return json.dumps({"state": text, "questions": {"tier": _TIERS}}).encode()


async def _ask(session: aiohttp.ClientSession, url: str, body: bytes) -> float:
    began = time.perf_counter()
    async with session.post(url, data=body, headers={"content-type": "application/json"}) as answer:
        await answer.read()
        answer.raise_for_status()
    return (time.perf_counter() - began) * 1000


def _figures(times: Sequence[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {
        "median": statistics.median(ordered),
        "p99": ordered[int(0.99 * (len(ordered) - 1))],
        "requests": len(ordered),
    }
