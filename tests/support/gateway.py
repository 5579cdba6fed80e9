"""A gateway and two scripted upstreams on one event loop in a thread, on real sockets."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
from aiohttp import web

from benchmarks.gateway.scripted import ScriptedUpstream
from vibe_router import Router
from vibe_router.bundle.identity import model_identity
from vibe_router_gateway.config.reading import load_settings
from vibe_router_gateway.config.settings import Settings
from vibe_router_gateway.gateway import Gateway
from vibe_router_gateway.live import live_of
from vibe_router_gateway.log.writer import LogWriter
from vibe_router_gateway.scoring import Sampling
from vibe_router_gateway.server import start, stop
from vibe_router_gateway.tracing import Tracing
from vibe_router_tools.calibration.sample import is_for_checking

Value = TypeVar("Value")
EASY, HARD = "hi", "Design a distributed consensus algorithm"


@dataclass
class Running:
    """What a test talks to. `run` runs a coroutine on the gateway's own loop."""

    url: str
    device: ScriptedUpstream
    cloud: ScriptedUpstream
    gateway: Gateway
    loop: asyncio.AbstractEventLoop
    log: Path
    client: httpx.Client = field(repr=False)

    def run(self, coroutine: Coroutine[Any, Any, Value]) -> Value:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    def chat(self, text: str = EASY, *, headers: Mapping[str, str] | None = None, **fields: Any) -> httpx.Response:
        body = {"model": "auto", "messages": [{"role": "user", "content": text}], **fields}
        return self.client.post("/v1/chat/completions", json=body, headers=dict(headers or {}))

    async def _rest(self) -> None:
        """Wait until no request runs: a client has its answer a moment before the row is made."""
        while self.gateway.open_requests:
            await asyncio.sleep(0.002)

    def rows(self) -> list[dict[str, Any]]:
        """The log's rows, once everything that waits has been written."""
        import sqlite3

        assert self.gateway.log is not None
        self.run(self._rest())
        self.gateway.log.flush()
        connection = sqlite3.connect(self.log)
        connection.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in connection.execute("SELECT * FROM decisions ORDER BY rowid")]
        finally:
            connection.close()


@contextmanager
def loop_in_a_thread() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def serve_app(app: web.Application) -> tuple[web.AppRunner, str]:
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/v1"


@contextmanager
def running(
    router: Router,
    folder: Path,
    /,
    *,
    token: str | None = None,
    tracing: Tracing | None = None,
    **sections: dict[str, Any],
) -> Iterator[Running]:
    """A gateway with both sides configured; `sections` are those of the settings' file."""
    device, cloud = ScriptedUpstream("device"), ScriptedUpstream("cloud")
    log = folder / "log.sqlite3"

    async def begin() -> tuple[list[web.AppRunner], Gateway, str]:
        runners, urls = [], []
        for upstream in (device, cloud):
            runner, url = await serve_app(upstream.app())
            runners.append(runner)
            urls.append(url)
        options = {
            "device": {"url": urls[0], **sections.pop("device", {})},
            "cloud": {"url": urls[1], "model": "cloud-model", **sections.pop("cloud", {})},
            "server": {"port": 0, **sections.pop("server", {})},
            "limits": {"drain_s": 0.5, **sections.pop("limits", {})},
            **sections,
        }
        settings = read(options, token)
        sampling = Sampling(model_identity, is_for_checking)
        # The tests' router is shared: a gateway closes its own.
        gateway = Gateway(
            live_of(settings, Router.load(router.bundle.folder, threads=1), sampling, quick=True),
            log=LogWriter(log) if settings.log.enabled else None,
            read_settings=lambda: read(options, token),
            tracing=tracing,
        )
        await gateway.begin()
        runner, port = await start(gateway)
        runners.append(runner)
        return runners, gateway, f"http://127.0.0.1:{port}"

    with loop_in_a_thread() as loop:

        def run(coroutine: Coroutine[Any, Any, Value]) -> Value:
            return asyncio.run_coroutine_threadsafe(coroutine, loop).result(60)

        runners, gateway, url = run(begin())
        try:
            with httpx.Client(base_url=url, timeout=30) as client:
                yield Running(url, device, cloud, gateway, loop, log, client)
        finally:
            run(stop(runners.pop(), gateway))
            for runner in runners:
                run(runner.cleanup())


def read(options: Mapping[str, Mapping[str, Any]], token: str | None = None) -> Settings:
    return load_settings(None, options=options, token=token, environment={})
