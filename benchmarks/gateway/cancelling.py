"""How soon an upstream learns that its client has left, before its first byte and in mid-stream."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

from aiohttp import web

from benchmarks.gateway.processes import free_port, module, serving
from benchmarks.gateway.scripted import ScriptedUpstream, Way


async def cancellation_ms(folder: Path, *, rounds: int) -> dict[str, float]:
    """Return the largest time in milliseconds between a client's leaving and the upstream's knowing, by phase."""
    upstream = ScriptedUpstream("device")
    runner = web.AppRunner(upstream.app(), handler_cancellation=True, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url, port = f"http://127.0.0.1:{runner.addresses[0][1]}/v1", free_port()
    command = module("vibe_router_tools", "serve", "--device", url, "--port", str(port), "--no-log")
    found: dict[str, float] = {}
    try:
        manager = serving(command, port, log=folder / "cancelling.txt")
        await asyncio.to_thread(manager.__enter__)
        try:
            for name, way in (("before the first byte", Way.SILENT), ("in mid-stream", Way.NEVER)):
                upstream.choose = lambda _, way=way: way  # type: ignore[misc]
                found[name] = max([await _leave(upstream, port, way) for _ in range(rounds)])
        finally:
            await asyncio.to_thread(manager.__exit__, None, None, None)
    finally:
        await runner.cleanup()
    return found


async def _leave(upstream: ScriptedUpstream, port: int, way: Way) -> float:
    before = len(upstream.seen)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    fields = {"model": "auto", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    body = json.dumps(fields).encode()
    writer.write(
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    )
    writer.write(body)
    while len(upstream.seen) == before:
        await asyncio.sleep(0.001)
    if way is Way.NEVER:
        await reader.readuntil(b"device0")
    left = time.perf_counter()
    writer.close()
    while upstream.seen[-1].left_at is None:
        await asyncio.sleep(0.0005)
    return (upstream.seen[-1].left_at - left) * 1000
