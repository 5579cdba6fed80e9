"""GET /healthz, /readyz and /metrics."""

from __future__ import annotations

from aiohttp import web

from vibe_router_gateway.gateway import Gateway


async def health(_: Gateway, __: web.Request) -> web.Response:
    """Return 200 while the process answers at all."""
    return web.json_response({"status": "ok"})


async def ready(gateway: Gateway, _: web.Request) -> web.Response:
    """Return 200 where a side can be asked, with each side's state; a bundle that is not proven never gets here."""
    live = gateway.live
    manifest = live.router.bundle.manifest
    sides = {}
    for upstream in live.settings.upstreams:
        rest = live.resting_s(upstream.side)
        sides[upstream.side.value] = {"resting_s": round(rest, 1)}
    lost = 0 if gateway.log is None else gateway.log.lost
    able = any(not state["resting_s"] for state in sides.values())
    body = {
        "status": "ready" if able else "resting",
        "bundle": {"name": manifest.name, "version": manifest.version},
        "engine": live.router.engine.name,
        "sides": sides,
        "log_lost": lost,
    }
    return web.json_response(body, status=200 if able else 503)


async def metrics(gateway: Gateway, _: web.Request) -> web.Response:
    """Return the numbers for Prometheus."""
    gateway.metrics.lost.set(0 if gateway.log is None else gateway.log.lost)
    return web.Response(
        body=gateway.metrics.text(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    )
