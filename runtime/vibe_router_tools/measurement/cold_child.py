"""One cold start, told as one line of JSON on stdout. `cold` runs this in a fresh interpreter.

The arguments are the moment the parent started it (`time.perf_counter`, one clock for all processes of a machine) and
JSON of `ColdRequest`.
"""

from __future__ import annotations

import builtins
import functools
import json
import sys
import threading
import time
from collections import defaultdict
from typing import Any

_TOKENIZER = "vibe_router.text.tokenizer"


class PhaseClock:
    """Adds up the seconds that the main thread spends in wrapped functions, without what inner ones take of them."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inner = [0.0]

    def wrap(self, owner: Any, name: str, phase: str) -> None:
        """Replace the function `name` of a module or class by one that is timed under `phase`."""
        function = getattr(owner, name)

        @functools.wraps(function)
        def timed(*arguments: Any, **options: Any) -> Any:
            if threading.current_thread() is not threading.main_thread():
                return function(*arguments, **options)
            self._inner.append(0.0)
            started = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                taken = time.perf_counter() - started
                self.seconds[phase] += taken - self._inner.pop()
                self._inner[-1] += taken

        setattr(owner, name, timed)


def main() -> None:
    """Load, decide once, and print where the time went; imports happen when and where an application's would."""
    entered = time.perf_counter()
    started, request = float(sys.argv[1]), json.loads(sys.argv[2])
    clock = PhaseClock()
    clock.wrap(builtins, "__import__", "imports")
    from vibe_router import router
    from vibe_router.bundle.bundle import Bundle
    from vibe_router.engines import select
    from vibe_router.engines.usage import Usage

    clock.wrap(router, "open_bundle", "integrity")
    clock.wrap(Bundle, "read", "integrity")
    clock.wrap(Bundle, "check", "integrity")
    # What is waited for at the end of the block is a thread that hashes weights.
    clock.wrap(threading.Thread, "join", "integrity")
    for name in ("_begin_native", "_load_onnx", "_load_coreml"):
        clock.wrap(select, name, "session")
    _wrap_tokenizer_once_imported(clock)
    loaded = router.Router.load(
        request["source"],
        engine=request["engine"],
        precision=request["precision"],
        threads=request["threads"],
        usage=Usage.ONCE,
    )
    ready, loading = time.perf_counter(), dict(clock.seconds)
    decision = loaded.route(request["prompt"])
    decided = time.perf_counter()

    from vibe_router_tools.measurement.resident import peak_resident

    phases = {
        "interpreter": entered - started,
        # Not every phase is there: the native library may read the prompts, and no tokenizer be made.
        **{phase: loading.get(phase, 0.0) for phase in ("imports", "integrity", "tokenizer", "session")},
        "other": ready - entered - sum(loading.values()),
        "first decision": decided - ready,
    }
    told = {"seconds": phases, "peak_resident": peak_resident(), "tokens": decision.tokens}
    sys.stdout.write(json.dumps(told) + "\n")


def _wrap_tokenizer_once_imported(clock: PhaseClock) -> None:
    """Time the tokenizer from its import on: importing it here already would take numpy's import out of its place."""
    importing: Any = builtins.__import__

    def watched(name: str, *arguments: Any, **options: Any) -> Any:
        imported = importing(name, *arguments, **options)
        if name == _TOKENIZER:
            builtins.__import__ = importing
            clock.wrap(sys.modules[name].PromptTokenizer, "__init__", "tokenizer")
        return imported

    builtins.__import__ = watched


if __name__ == "__main__":
    main()
