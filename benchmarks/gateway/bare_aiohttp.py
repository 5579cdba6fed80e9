"""`python -m benchmarks.gateway.bare_aiohttp PORT UPSTREAM`: the least proxy that aiohttp makes, for both sides."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web


def build(upstream: str) -> web.Application:
    """Return the application: POST anything is passed to the upstream, chunk by chunk."""
    session = web.AppKey("session", aiohttp.ClientSession)

    async def run(app: web.Application) -> AsyncIterator[None]:
        app[session] = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), auto_decompress=False)
        yield
        await app[session].close()

    async def handle(request: web.Request) -> web.StreamResponse:
        headers = {"Content-Type": "application/json"}
        body = await request.read()
        async with request.app[session].post(upstream + request.path, data=body, headers=headers) as answer:
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            return response

    app = web.Application()
    app.cleanup_ctx.append(run)
    app.router.add_post("/{path:.*}", handle)
    return app


if __name__ == "__main__":
    web.run_app(
        build(sys.argv[2]),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        handler_cancellation=True,
        access_log=None,
        print=None,
    )
