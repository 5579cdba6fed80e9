"""What a side answers to GET /models, read within bounds."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp

from vibe_router_gateway.config.settings import Upstream
from vibe_router_gateway.upstream.call import fault_of_error, upstream_headers
from vibe_router_gateway.upstream.faults import FaultKind, UpstreamError, fault_of_status

_MOST_BYTES = 8 * 2**20
_CHUNK = 65536
_LEAST_PATIENCE_S = 5.0


async def list_models(session: aiohttp.ClientSession, upstream: Upstream) -> tuple[str, ...]:
    """Return the names of the models that a side lists.

    Raises:
        UpstreamError: it does not, and why.
    """
    side, settings = upstream.side, upstream.settings
    try:
        async with session.get(
            settings.url + "/models",
            headers=upstream_headers(upstream, {}),
            params=settings.query or None,
            timeout=aiohttp.ClientTimeout(total=max(settings.connect_s, _LEAST_PATIENCE_S)),
            allow_redirects=False,
        ) as response:
            if (fault := fault_of_status(response.status, response.headers, side)) is not None:
                raise fault
            return tuple(item["id"] for item in await read_listed(response))
    except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
        raise fault_of_error(error, side) from error
    except ValueError as error:
        raise UpstreamError(FaultKind.MALFORMED, side) from error


async def read_listed(response: aiohttp.ClientResponse) -> list[dict[str, Any]]:
    """Return the models that the answer lists, each with an `id`.

    Raises:
        ValueError: it is larger than any list of models, or not in OpenAI's format.
    """
    parts: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_chunked(_CHUNK):
        size += len(chunk)
        if size > _MOST_BYTES:
            raise ValueError
        parts.append(chunk)
    try:
        # Read as UTF-8, whatever codec of Python's the answer names.
        told = json.loads(b"".join(parts))
    except RecursionError as error:
        raise ValueError from error
    listed = told.get("data") if isinstance(told, dict) else None
    if not isinstance(listed, list) or not all(
        isinstance(item, dict) and isinstance(item.get("id"), str) for item in listed
    ):
        raise ValueError
    return listed
