"""Connections to a side, which are kept for its next requests."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import aiohttp

if TYPE_CHECKING:
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

_KEPT_S = 30


class Connections(aiohttp.TCPConnector):
    """Any number of connections, and which tasks are on one that had been used before.

    aiohttp's tracing tells that too, but it costs every request time.
    """

    def __init__(self) -> None:
        super().__init__(limit=0, keepalive_timeout=_KEPT_S)
        self._used: WeakSet[Any] = WeakSet()
        self._on_used: WeakSet[asyncio.Task[Any]] = WeakSet()

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        """Return a connection for a request of the running task."""
        task = asyncio.current_task()
        assert task is not None
        self._on_used.discard(task)
        connection = await super().connect(req, traces, timeout)
        if connection.protocol in self._used:
            self._on_used.add(task)
        self._used.add(connection.protocol)
        return connection

    def is_on_used(self) -> bool:
        """Return whether the running task's last request was sent on a connection that had been used before."""
        return asyncio.current_task() in self._on_used
