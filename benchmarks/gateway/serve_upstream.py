"""`python -m benchmarks.gateway.serve_upstream PORT [PIECES PAUSE_S]`: the scripted upstream as a process."""

from __future__ import annotations

import sys

from aiohttp import web

from benchmarks.gateway.scripted import ScriptedUpstream

if __name__ == "__main__":
    upstream = ScriptedUpstream("upstream", keep_seen=False)
    if len(sys.argv) > 2:
        upstream.pieces, upstream.pause_s = int(sys.argv[2]), float(sys.argv[3])
    web.run_app(
        upstream.app(),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        handler_cancellation=True,
        access_log=None,
        print=None,
    )
