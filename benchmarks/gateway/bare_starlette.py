"""`python -m benchmarks.gateway.bare_starlette PORT UPSTREAM`: the least proxy of starlette, uvicorn and httpx2."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route


def build(upstream: str) -> Starlette:
    """Return the application: POST anything is passed to the upstream, chunk by chunk."""
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=100)
    client = httpx2.AsyncClient(limits=limits, timeout=None)

    async def handle(request: Request) -> StreamingResponse:
        headers = {"Content-Type": "application/json"}
        asked = client.build_request("POST", upstream + request.url.path, content=await request.body(), headers=headers)
        answer = await client.send(asked, stream=True)

        async def chunks() -> AsyncIterator[bytes]:
            try:
                async for chunk in answer.aiter_raw():
                    yield chunk
            finally:
                await answer.aclose()

        return StreamingResponse(chunks(), answer.status_code, media_type=answer.headers["content-type"])

    return Starlette(routes=[Route("/{path:path}", handle, methods=["POST"])])


if __name__ == "__main__":
    uvicorn.run(build(sys.argv[2]), host="127.0.0.1", port=int(sys.argv[1]), log_level="error", access_log=False)
