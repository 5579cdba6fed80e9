"""Times of a prompt of 16 tokens in the C library, in Node and in a page, and from opening a page to a decision."""

from __future__ import annotations

import ctypes
import json
import os
import statistics
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_MEASURE = Path(__file__).resolve().parents[2] / "web" / "measure"
NATIVE_FILE = Path("native") / "model_int8.safetensors"
PROMPT = b"Explain how a hash table works, with an example in Python"
_BATCH = 10
_DECISION_BYTES = 128


def time_library(library: Path, bundle: Path, *, calls: int) -> list[float]:
    """Return the milliseconds of a call to the C library with one thread, by ctypes, each a mean of a few.

    Raises:
        RuntimeError: the library does not route.
    """
    loaded, handle = ctypes.CDLL(str(library)), ctypes.c_void_p()
    # Size of the structure, and threads.
    options = (ctypes.c_int32 * 2)(8, 1)
    if loaded.vibe_router_open(os.fsencode(bundle), options, ctypes.byref(handle), None):
        raise RuntimeError(f"{bundle} is not opened by the C library")
    decision, size = ctypes.create_string_buffer(_DECISION_BYTES), ctypes.c_size_t(len(PROMPT))
    times = []
    for _ in range(calls // _BATCH + 2):
        began = time.perf_counter()
        for _ in range(_BATCH):
            if loaded.vibe_router_route(handle, PROMPT, size, None, decision, None):
                raise RuntimeError("the C library does not route")
        times.append((time.perf_counter() - began) * 1e3 / _BATCH)
    loaded.vibe_router_close(handle)
    return times[2:]


def run_script(name: str, bundle: Path, variables: Mapping[str, str], *arguments: str) -> dict[str, Any]:
    """Return what a script of web/measure prints as JSON.

    Raises:
        subprocess.CalledProcessError: it fails.
    """
    environment = (
        os.environ | {"VIBE_ROUTER_BUNDLE": str(bundle), "VIBE_ROUTER_PROMPT": PROMPT.decode()} | dict(variables)
    )
    command = ["node", str(_MEASURE / name), *arguments]
    ran = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def summary(times: list[float]) -> dict[str, float]:
    """Return the least, the median and the 90th percentile."""
    return {
        "least_ms": round(min(times), 3),
        "median_ms": round(statistics.median(times), 3),
        "p90_ms": round(statistics.quantiles(times, n=10)[-1], 3),
    }
