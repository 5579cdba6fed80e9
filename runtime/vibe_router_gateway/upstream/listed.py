"""What a side answers to GET /models, read within bounds."""

from __future__ import annotations

import json
from typing import Any

import aiohttp

_MOST_BYTES = 8 * 2**20
_CHUNK = 65536


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
