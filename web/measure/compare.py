"""Time a prompt of 16 tokens in WebAssembly, and the same in the C library with one thread.

    python -m web.measure.compare artifacts/nano --calls 500

compiles both and measures them in turn, three times, because the machine's speed changes; the least counts.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from native.dist import build, this_platform
from tests.support.c_router import CRouter, Decision
from web.build import build as build_web

_HERE = Path(__file__).resolve().parent
PROMPT = b"Write a thread-safe LRU cache in Python, and a test"


def time_library(router: CRouter, *, calls: int) -> float:
    """Return the least time of a call in milliseconds, by ctypes."""
    decision, least = Decision(), float("inf")
    handle, given = router._handle, ctypes.byref(decision)
    route, size = router.library.vibe_router_route, ctypes.c_size_t(len(PROMPT))
    for _ in range(calls + 20):
        begin = time.perf_counter()
        route(handle, PROMPT, size, None, given, None)
        least = min(least, time.perf_counter() - begin)
    return least * 1e3


def time_node(bundle: Path, *, calls: int) -> str:
    """Return the line that node.js prints."""
    environment = os.environ | {"VIBE_ROUTER_BUNDLE": str(bundle)}
    command = ["node", str(_HERE / "node.js"), str(calls)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """Print both, and how many times as long WebAssembly takes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--calls", type=int, default=500)
    options = parser.parse_args()
    build_web()
    with tempfile.TemporaryDirectory() as folder:
        router = CRouter(build(this_platform(), Path(folder) / "here").shared, options.bundle, threads=1)
        ratios = []
        for _ in range(3):
            native = time_library(router, calls=options.calls)
            line = time_node(options.bundle, calls=options.calls)
            wasm = float(line.split("least ")[1].split(",")[0])
            ratios.append(wasm / native)
            sys.stdout.write(f"{line}; C library, one thread, least {native:.3f}; ratio {wasm / native:.2f}\n")
        sys.stdout.write(f"least ratio {min(ratios):.2f}\n")


if __name__ == "__main__":
    main()
