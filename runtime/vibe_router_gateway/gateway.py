"""The running gateway: what all requests share, and the change from one set of settings to the next."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from vibe_router.errors import VibeRouterError
from vibe_router_gateway.answered import MOST_ANSWERS, AnsweredBy
from vibe_router_gateway.budget import Budget
from vibe_router_gateway.config.reload import check_reloadable
from vibe_router_gateway.config.settings import Settings
from vibe_router_gateway.exchange import Exchange
from vibe_router_gateway.live import Live, live_of
from vibe_router_gateway.log.figures import used_today
from vibe_router_gateway.log.rows import last_answers
from vibe_router_gateway.log.writer import LogWriter
from vibe_router_gateway.metrics import Metrics
from vibe_router_gateway.scoring import load_router, scores_quickly
from vibe_router_gateway.tracing import Tracing

_LOGGER = logging.getLogger("vibe_router")
_FORGET_EVERY_S = 3600.0


class Gateway:
    """Shared by all requests of one event loop; `live` changes with a reload."""

    def __init__(
        self,
        live: Live,
        *,
        log: LogWriter | None,
        read_settings: Callable[[], Settings] | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        """Put opened parts together; `read_settings` is what a reload calls, None where there is nothing to read."""
        self.live = live
        self.log = log
        self.metrics = Metrics()
        self.tracing = tracing
        self.budget = Budget(live.settings.budget)
        self.answered = AnsweredBy()
        self._read_settings = read_settings
        self.open_requests = 0
        self._reloading = asyncio.Lock()
        self._reload_waits = False
        self._forgetting: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Read what today has cost so far and who gave the last answers, and forget old rows."""
        if self.log is not None:
            self.budget.begin(*await asyncio.to_thread(used_today, self.log.path))
            self.answered = AnsweredBy(await asyncio.to_thread(last_answers, self.log.path, MOST_ANSWERS))
            self._forgetting = asyncio.get_running_loop().create_task(self._forget_old_rows(self.log))

    async def _forget_old_rows(self, log: LogWriter) -> None:
        """Delete what is older than the settings allow, now and for as long as the gateway runs."""
        while True:
            kept = self.live.settings.log
            log.purge(keep_days=kept.keep_days, keep_prompts_days=kept.keep_prompts_days)
            await asyncio.sleep(_FORGET_EVERY_S)

    @asynccontextmanager
    async def using(self) -> AsyncIterator[Live]:
        """Give the present settings for one request; they stay open until it ends, whatever is reloaded meanwhile."""
        live = self.live
        live.users += 1
        try:
            yield live
        finally:
            live.users -= 1
            if live.retired and not live.users:
                await live.close()

    async def reload(self) -> None:
        """Read settings and bundle again; later requests use them, those that run keep what they began with.

        Raises:
            VibeRouterError: the new ones are wrong; the old ones stay.
        """
        if self._read_settings is None:
            return
        async with self._reloading:
            self._reload_waits = False
            settings = await asyncio.to_thread(self._read_settings)
            check_reloadable(self.live.settings, settings)
            router = await asyncio.to_thread(load_router, settings.router)
            quick = await asyncio.to_thread(scores_quickly, router)
            old, self.live = self.live, live_of(settings, router, self.live.sampling, quick=quick)
            self.live.keep_rests(old)
            self.budget.settings = settings.budget
            old.retired = True
            if not old.users:
                await old.close()
        _LOGGER.info("settings and bundle have been read again")

    async def reload_or_warn(self) -> None:
        """Reload for a signal, which nobody can answer with an error; one that waits for its turn serves all later."""
        if self._reload_waits:
            return
        self._reload_waits = True
        try:
            await self.reload()
        except VibeRouterError as error:
            _LOGGER.error("not reloaded, the old settings stay: %s", error.message)

    def record(self, exchange: Exchange) -> None:
        """Count the request and write its row, once."""
        if exchange.recorded:
            return
        exchange.recorded = True
        self.metrics.add(exchange)
        if self.log is not None:
            self.log.add(exchange.entry)
        if exchange.spans is not None:
            exchange.spans.end(exchange.entry)

    async def close(self) -> None:
        """Close what is open; no request runs any more."""
        if self._forgetting is not None:
            self._forgetting.cancel()
        await self.live.close()
        if self.log is not None:
            await asyncio.to_thread(self.log.close)
        if self.tracing is not None:
            await asyncio.to_thread(self.tracing.close)
