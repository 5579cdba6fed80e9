"""CPU time of each check inside a cold start: fresh processes that load a bundle and decide once.

Time of the processor and not of the clock, so that other work on the machine does not count.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator

_CHILD = """
import functools, importlib, json, sys, time
from vibe_router import Router
spent = {}
for name, module, owner, function in json.loads(sys.argv[3]):
    place = importlib.import_module(module)
    place = getattr(place, owner) if owner else place
    def timed(*given, _name=name, _call=getattr(place, function), **named):
        start = time.thread_time()
        try:
            return _call(*given, **named)
        finally:
            spent[_name] = time.thread_time() - start
    setattr(place, function, functools.wraps(getattr(place, function))(timed))
with Router.load(sys.argv[1] or None, engine=sys.argv[2]) as router:
    router.route("what is 2+2?")
print(json.dumps(spent | {"the whole process": time.process_time()}))
"""
CHECKS = (
    ("manifest", "vibe_router.bundle.bundle", "", "parse_manifest"),
    ("tokenizer", "vibe_router.text.tokenizer", "", "check_tokenizer_file"),
    ("native weights, in a thread", "vibe_router.engines.native.model", "NativeModel", "_check_weights"),
    ("graph", "vibe_router.engines.onnx.graph_check", "", "check_onnx_graph"),
)


def measure(bundle: str | None, engine: str, *, starts: int) -> dict[str, float]:
    """Return the median CPU-milliseconds of each check that ran, and of the whole process."""
    runs = list(_runs(bundle, engine, starts))
    return {name: statistics.median(run[name] for run in runs) * 1e3 for name in runs[0]}


def _runs(bundle: str | None, engine: str, starts: int) -> Iterator[dict[str, float]]:
    for _ in range(starts):
        command = [sys.executable, "-c", _CHILD, bundle or "", engine, json.dumps(CHECKS)]
        yield json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
