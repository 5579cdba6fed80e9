"""One cold start, told as one line of JSON on stdout. `cold` runs this in a fresh interpreter.

The arguments are the moment the parent started it (`time.perf_counter`, one clock for all processes of a machine) and
JSON of `ColdRequest`.
"""

from __future__ import annotations

import functools
import json
import sys
import time
from collections import defaultdict
from typing import Any


class PhaseClock:
    """Adds up the seconds spent in wrapped functions; what an inner one takes is not counted for the outer one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inner = [0.0]

    def wrap(self, owner: Any, name: str, phase: str) -> None:
        """Replace the function `name` of a module or class by one that is timed under `phase`."""
        function = getattr(owner, name)

        @functools.wraps(function)
        def timed(*arguments: Any, **options: Any) -> Any:
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
    """Import, load, decide once, and print where the time went."""
    entered = time.perf_counter()
    started, request = float(sys.argv[1]), json.loads(sys.argv[2])
    import numpy  # noqa: F401 - timed here
    import tokenizers  # noqa: F401

    import vibe_router.engines.onnx_library  # noqa: F401
    from vibe_router import router, tokenizer
    from vibe_router.bundle import Bundle
    from vibe_router.engines import choice

    imported = time.perf_counter()
    clock = PhaseClock()
    clock.wrap(router, "open_bundle", "integrity")
    clock.wrap(Bundle, "read", "integrity")
    clock.wrap(Bundle, "check", "integrity")
    clock.wrap(tokenizer.PromptTokenizer, "__init__", "tokenizer")
    clock.wrap(choice, "choose_engine", "session")
    loaded = router.Router.load(
        request["source"], engine=request["engine"], precision=request["precision"], threads=request["threads"]
    )
    ready = time.perf_counter()
    decision = loaded.route(request["prompt"])
    decided = time.perf_counter()

    from vibe_router.measurement.resident import peak_resident

    phases = {
        "interpreter": entered - started,
        "imports": imported - entered,
        **{phase: clock.seconds[phase] for phase in ("integrity", "tokenizer", "session")},
        "other": ready - imported - sum(clock.seconds.values()),
        "first decision": decided - ready,
    }
    told = {"seconds": phases, "peak_resident": peak_resident(), "tokens": decision.tokens}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
