"""Measure one cold start of a peer and print it as one line of JSON, as ours does (`measurement.cold_child`)."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def main() -> None:
    """Import, load, decide once, and print where the time went."""
    entered = time.perf_counter()
    started, request = float(sys.argv[2]), json.loads(sys.argv[3])
    channel = os.dup(1)
    # What libraries print must not come before the answer.
    os.dup2(2, 1)
    from benchmarks.peers.contenders.registry import ALL
    from benchmarks.peers.contenders.scorer import Load
    from benchmarks.peers.present import require

    contender = ALL[sys.argv[1]]
    require(contender.modules)
    seconds = {"interpreter": entered - started}
    last = entered

    def mark(phase: str) -> None:
        nonlocal last
        now = time.perf_counter()
        seconds[phase] = now - last
        last = now

    paths = {name: None if request[name] is None else Path(request[name]) for name in ("checkpoint", "artifact")}
    scorer = contender.load(Load(**paths, bundle=None, threads=request["threads"]), mark)
    scorer.decide(request["prompt"])
    mark("first decision")

    from vibe_router_tools.measurement.resident import peak_resident

    told = {"seconds": seconds, "peak_resident": peak_resident()}
    os.write(channel, (json.dumps(told) + "\n").encode())


if __name__ == "__main__":
    main()
