"""Run the gateway until it is told to stop: sockets, signals, a graceful end."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from vibe_router.errors import UsageError
from vibe_router_gateway.app import build_app
from vibe_router_gateway.config.settings import Settings
from vibe_router_gateway.gateway import Gateway
from vibe_router_gateway.live import open_live
from vibe_router_gateway.log.writer import LogWriter
from vibe_router_gateway.places import default_log_file
from vibe_router_gateway.scoring import Sampling
from vibe_router_gateway.tracing import open_tracing

_LINE_BYTES = 16384


async def start(gateway: Gateway) -> tuple[web.AppRunner, int]:
    """Listen; return what `stop` takes and the port, which the system chooses where the settings say 0.

    Raises:
        UsageError: the address cannot be used.
    """
    settings = gateway.live.settings
    runner = web.AppRunner(
        build_app(gateway),
        # A client that leaves cancels its request, and with that its upstream.
        handler_cancellation=True,
        access_log=None,
        logger=_connection_logger(),
        keepalive_timeout=settings.limits.idle_s,
        max_line_size=_LINE_BYTES,
        max_field_size=_LINE_BYTES,
        # aiohttp waits twice for so long: before it asks an open answer to end, and before it makes it end.
        shutdown_timeout=settings.limits.drain_s / 2,
    )
    await runner.setup()
    site = web.TCPSite(runner, settings.server.host, settings.server.port, backlog=512)
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        raise UsageError(
            f"cannot listen on {settings.server.host}:{settings.server.port}: {error.strerror}",
            hint="is another gateway running? choose another --port",
        ) from error
    return runner, int(runner.addresses[0][1])


def _connection_logger() -> logging.Logger:
    """Return the logger of what ends a connection without an answer: a client's garbage gets a line, no traceback."""
    logger = logging.getLogger("vibe_router.connections")
    logger.addFilter(_without_traceback)
    return logger


def _without_traceback(record: logging.LogRecord) -> bool:
    if record.exc_info and (error := record.exc_info[1]) is not None:
        record.msg, record.args = "a connection failed: %s", (type(error).__name__,)
        record.exc_info = None
    return True


async def stop(runner: web.AppRunner, gateway: Gateway) -> None:
    """Take no more requests, let the open ones end within the time for that, then close everything."""
    await runner.cleanup()
    await gateway.close()


def open_log_of(settings: Settings) -> LogWriter | None:
    """Return the log that the settings ask for.

    Raises:
        DataError: it cannot be opened.
    """
    if not settings.log.enabled:
        return None
    return LogWriter(Path(settings.log.path) if settings.log.path else default_log_file())


async def serve(
    settings: Settings,
    *,
    read_settings: Callable[[], Settings],
    ready: Callable[[Settings, int], None],
    sampling: Sampling | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; SIGHUP reads settings and bundle again. `ready` is called with the port.

    Raises:
        VibeRouterError: it cannot start.
    """
    tracing = open_tracing() if settings.tracing.enabled else None
    log = open_log_of(settings)
    gateway = Gateway(open_live(settings, sampling), log=log, read_settings=read_settings, tracing=tracing)
    try:
        await gateway.begin()
        runner, port = await start(gateway)
    except BaseException:
        await gateway.close()
        raise
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    reloads: set[asyncio.Task[None]] = set()

    def reload() -> None:
        task = loop.create_task(gateway.reload_or_warn())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    loop.add_signal_handler(signal.SIGHUP, reload)
    try:
        ready(settings, port)
        await stopping.wait()
    finally:
        await stop(runner, gateway)
