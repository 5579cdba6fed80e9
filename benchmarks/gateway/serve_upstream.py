"""`python -m benchmarks.gateway.serve_upstream PORT`: the scripted upstream as a process of its own."""

from __future__ import annotations

import sys

from aiohttp import web

from benchmarks.gateway.scripted import ScriptedUpstream

if __name__ == "__main__":
    web.run_app(
        ScriptedUpstream("upstream", keep_seen=False).app(),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        handler_cancellation=True,
        access_log=None,
        print=None,
    )
