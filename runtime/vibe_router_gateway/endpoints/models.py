"""GET /v1/models: what may be asked for, the gateway's own names first."""

from __future__ import annotations

from aiohttp import web

from vibe_router_gateway.gateway import Gateway


async def list_models(gateway: Gateway, _: web.Request) -> web.Response:
    """Return auto, auto:PROFILE for each profile, the configured sides, and the names that those list."""
    async with gateway.using() as live:
        profiles = live.router.bundle.manifest.thresholds
        names = [("auto", "vibe-router"), *((f"auto:{profile}", "vibe-router") for profile in profiles)]
        names += [(upstream.side.value, "vibe-router") for upstream in live.settings.upstreams]
        for upstream in live.settings.upstreams:
            names += [(name, upstream.side.value) for name in await live.models(upstream)]
    seen = dict(reversed(names))
    listed = [{"id": name, "object": "model", "created": 0, "owned_by": seen[name]} for name in dict(names)]
    return web.json_response({"object": "list", "data": listed})
