"""The router and the connections that one set of settings needs. A reload makes another."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field

import aiohttp

from vibe_router import ChatPolicy, Router, Target
from vibe_router_gateway.config.settings import Settings, Upstream
from vibe_router_gateway.problems import ApiError
from vibe_router_gateway.scoring import Loop, Sampling, chat_policy, load_router, scores_quickly
from vibe_router_gateway.upstream.connections import Connections
from vibe_router_gateway.upstream.faults import FaultKind, UpstreamError
from vibe_router_gateway.upstream.listed import list_models

_LOGGER = logging.getLogger("vibe_router")
_LISTED_FOR_S = 60.0
"""How long an upstream's list of models is believed: a new local model appears within a minute."""


@dataclass
class Live:
    """Settings with what they need, while requests use them; `users` counts those."""

    settings: Settings
    router: Router
    sessions: dict[Target, aiohttp.ClientSession]
    scorer: str | None
    sampling: Sampling | None
    policy: ChatPolicy
    loop: Loop
    users: int = 0
    retired: bool = False
    rests: dict[Target, float] = field(default_factory=dict)
    """Side -> until when (monotonic) it has asked to be left alone."""
    _listed: dict[Target, tuple[float, tuple[str, ...]]] = field(default_factory=dict)

    def rest(self, fault: UpstreamError) -> None:
        """Leave a side alone for as long as it asked for."""
        if fault.retry_after_s:
            self.rests[fault.side] = time.monotonic() + fault.retry_after_s

    def keep_rests(self, before: Live) -> None:
        """Leave alone what has asked the settings before for it, where it is the same server and key."""
        for now in self.settings.upstreams:
            then = before.settings.upstream(now.side)
            if then is not None and (then.settings.url, then.key) == (now.settings.url, now.key):
                self.rests[now.side] = before.rests.get(now.side, 0.0)

    def resting_s(self, side: Target) -> float:
        """Return for how long the side still wants to be left alone."""
        return max(0.0, self.rests.get(side, 0.0) - time.monotonic())

    async def models(self, upstream: Upstream) -> tuple[str, ...]:
        """Return the names that the upstream lists, and those of the settings; only these where it does not answer."""
        try:
            listed = await self._names(upstream)
        except UpstreamError:
            listed = ()
        return tuple(dict.fromkeys((*_listed_names(upstream), *listed)))

    async def default_model(self, upstream: Upstream) -> str:
        """Return the name that the side is asked by for the model `auto`.

        Raises:
            UpstreamError: the settings name none, and the side lists none.
        """
        names = _listed_names(upstream) or await self._names(upstream)
        if not names:
            raise UpstreamError(FaultKind.UNKNOWN_MODEL, upstream.side)
        return names[0]

    async def _names(self, upstream: Upstream) -> tuple[str, ...]:
        """Return the names that the upstream lists, those of the last time where it does not answer.

        Raises:
            UpstreamError: it does not answer, and never has.
        """
        at, listed = self._listed.get(upstream.side, (0.0, ()))
        if not listed or time.monotonic() - at > _LISTED_FOR_S:
            try:
                listed = await list_models(self.sessions[upstream.side], upstream)
                self._listed[upstream.side] = (time.monotonic(), listed)
            except UpstreamError as fault:
                _LOGGER.info("the %s does not list its models (%s)", upstream.side.value, fault.kind.value)
                if not listed:
                    raise
        return listed

    async def find(self, name: str) -> Upstream | None:
        """Return the side that has a model of this name, the device first; None where neither has."""
        for upstream in self.settings.upstreams:
            if name in _listed_names(upstream):
                return upstream
        for upstream in self.settings.upstreams:
            if name in await self.models(upstream):
                return upstream
        return None

    async def close(self) -> None:
        """Release connections and engine."""
        for session in self.sessions.values():
            await session.close()
        await asyncio.to_thread(self.router.close)


def open_live(settings: Settings, sampling: Sampling | None = None) -> Live:
    """Load the router and make the sessions; must run where the event loop runs.

    Raises:
        VibeRouterError: as `Router.load`.
    """
    router = load_router(settings.router)
    return live_of(settings, router, sampling, quick=scores_quickly(router))


def live_of(settings: Settings, router: Router, sampling: Sampling | None = None, *, quick: bool) -> Live:
    """Return what a loaded router and settings make; `quick` is what `scores_quickly` says of the router."""
    return Live(
        settings=settings,
        router=router,
        sessions={upstream.side: _session(upstream) for upstream in settings.upstreams},
        scorer=None if sampling is None else sampling.identify(router.bundle.manifest),
        sampling=sampling,
        policy=chat_policy(settings),
        loop=Loop(quick),
    )


def check_named(upstream: Upstream | None, side: Target) -> Upstream:
    """Return the side's upstream.

    Raises:
        ApiError: 404, it is not configured.
    """
    if upstream is None:
        raise ApiError(
            404,
            f"no {side.value} is configured",
            param="model",
            code="model_not_found",
            hint=f"Set url in [{side.value}]",
        )
    return upstream


def _listed_names(upstream: Upstream) -> tuple[str, ...]:
    return tuple(name for name in (upstream.settings.model, *upstream.settings.models) if name)


def _session(upstream: Upstream) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=Connections(),
        cookie_jar=aiohttp.DummyCookieJar(),
        # Bytes are passed on as they are, so the upstream must not compress them.
        headers={"Accept-Encoding": "identity", "User-Agent": "vibe-router"},
        skip_auto_headers=("Accept",),
        auto_decompress=False,
        # A local server is never reached through a company's proxy; the cloud may be.
        trust_env=upstream.side is Target.CLOUD,
        max_line_size=65536,
        max_field_size=65536,
        read_bufsize=2**18,
    )
