"""What the owner of the gateway does: feedback, figures for the status page, reload."""

from __future__ import annotations

import asyncio
from importlib.resources import files

from aiohttp import web

from vibe_router.errors import VibeRouterError
from vibe_router_gateway.asked import read_object
from vibe_router_gateway.gateway import Gateway
from vibe_router_gateway.log.checked import BETTER
from vibe_router_gateway.log.figures import status_figures
from vibe_router_gateway.problems import ApiError

_LONGEST_ID = 64
_PAGE_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    # The page needs nothing from anywhere, and nobody may show it inside another.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


async def feedback(gateway: Gateway, body: bytes) -> web.Response:
    """Keep which side would have been better for a logged request.

    Raises:
        ApiError: 400, not an id and a side; 409, there is no log.
    """
    fields = read_object(body)
    request_id, better = fields.get("id"), fields.get("better")
    if not isinstance(request_id, str) or not request_id.startswith("req_") or len(request_id) > _LONGEST_ID:
        raise ApiError(400, "id is not that of a request", param="id", hint="Give the x-request-id of its answer")
    if better not in BETTER:
        raise ApiError(400, "better is none of device, cloud and same", param="better")
    if gateway.log is None:
        raise ApiError(409, "there is no decision log", code="no_log", hint="Set enabled in [log]")
    gateway.log.add_feedback(request_id, better)
    return web.json_response({"id": request_id, "better": better})


async def status(gateway: Gateway, _: web.Request) -> web.Response:
    """Return the figures of the status page; they hold no text of any request."""
    live = gateway.live
    manifest = live.router.bundle.manifest
    requests, money = gateway.budget.used()
    told: dict[str, object] = {
        "bundle": {"name": manifest.name, "version": manifest.version},
        "engine": live.router.engine.name,
        "thresholds": {
            name: value.calibrated if manifest.calibration.folded else value.raw
            for name, value in manifest.thresholds.items()
        },
        "profile": live.settings.router.profile or manifest.default_profile,
        "sides": {
            upstream.side.value: {"model": upstream.settings.model, "resting_s": live.resting_s(upstream.side)}
            for upstream in live.settings.upstreams
        },
        "budget": {
            "requests": requests,
            "money": money,
            "most_requests": live.settings.budget.requests,
            "most_money": live.settings.budget.money,
        },
        # Without the one that asks.
        "open_requests": gateway.open_requests - 1,
        "log": None,
    }
    if gateway.log is not None:
        told["log"] = {**await asyncio.to_thread(status_figures, gateway.log.path), "lost": gateway.log.lost}
    return web.json_response(told)


async def page(_: Gateway, __: web.Request) -> web.Response:
    """Return the status page."""
    content = files("vibe_router_gateway").joinpath("status.html").read_bytes()
    return web.Response(body=content, headers=_PAGE_HEADERS)


async def reload(gateway: Gateway, _: web.Request) -> web.Response:
    """Read settings and bundle again; requests that run keep what they began with.

    Raises:
        ApiError: 422, the new ones are wrong, and the old ones stay.
    """
    try:
        await gateway.reload()
    except VibeRouterError as error:
        raise ApiError(422, f"not reloaded: {error.message}", code="not_reloaded", hint=error.hint) from error
    manifest = gateway.live.router.bundle.manifest
    return web.json_response({"reloaded": True, "bundle": {"name": manifest.name, "version": manifest.version}})
