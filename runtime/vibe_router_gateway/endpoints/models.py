"""GET /v1/models, and one by its name: what may be asked for, the gateway's own names first."""

from __future__ import annotations

from aiohttp import web

from vibe_router_gateway.gateway import Gateway
from vibe_router_gateway.problems import ApiError


async def list_models(gateway: Gateway, _: web.Request) -> web.Response:
    """Return auto, auto:PROFILE for each profile, the configured sides, and the names that those list."""
    owners = await _owners(gateway)
    return web.json_response({"object": "list", "data": [_shown(name, owner) for name, owner in owners.items()]})


async def one_model(gateway: Gateway, request: web.Request) -> web.Response:
    """Return one of the names that `list_models` returns.

    Raises:
        ApiError: 404, it is none of them.
    """
    name = request.match_info["name"]
    owner = (await _owners(gateway)).get(name)
    if owner is None:
        raise ApiError(404, f"no side lists the model {name!r}", param="model", code="model_not_found")
    return web.json_response(_shown(name, owner))


async def _owners(gateway: Gateway) -> dict[str, str]:
    """Return who has each name, in the order of the list."""
    async with gateway.using() as live:
        profiles = live.router.bundle.manifest.thresholds
        names = [("auto", "vibe-router"), *((f"auto:{profile}", "vibe-router") for profile in profiles)]
        names += [(upstream.side.value, "vibe-router") for upstream in live.settings.upstreams]
        for upstream in live.settings.upstreams:
            names += [(name, upstream.side.value) for name in await live.models(upstream)]
    owners: dict[str, str] = {}
    for name, owner in names:
        # The first that has a name is asked for it.
        owners.setdefault(name, owner)
    return owners


def _shown(name: str, owner: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}
