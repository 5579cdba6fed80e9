"""What each instruction set makes of the native engine: one file, every engine in turn, the same ids.

    python -m benchmarks.native_instructions BUNDLE [ROUNDS]

Prints a Markdown table of median milliseconds over ROUNDS (7 unless given) of three calls each, by tokens, with two
threads. Engines share one process; their threads sleep between calls. All must give the same logits, bit by bit.
"""

from __future__ import annotations

import mmap
import statistics
import sys
import time

import numpy as np

from vibe_router.bundle.bundle import open_bundle
from vibe_router.engines.choice import choose_file
from vibe_router.engines.native.engine import NativeEngine
from vibe_router.engines.native.library import supported_instructions
from vibe_router.text.tokenizer import PromptTokenizer

_TOKENS = (4, 16, 48, 128, 512)
_THREADS = 2
_CALLS = 3


def main() -> None:
    """Measure and print."""
    from benchmarks.prompts import default_prompts
    from vibe_router_tools.measurement.workload import sequences_of

    bundle = open_bundle(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    file = choose_file(bundle, engine=NativeEngine.name, precision="int8")
    with bundle.path(file.file).open("rb") as opened:
        mapping = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    engines = [
        NativeEngine(mapping, file=file.file, precision=file.precision, threads=_THREADS, instructions=one)
        for one in supported_instructions()
    ]
    tokenizer = PromptTokenizer(bundle.read("tokenizer.json"), max_tokens=bundle.manifest.max_tokens)
    sequences = sequences_of(tokenizer, default_prompts(64, None), _TOKENS)
    sys.stdout.write(f"| | {' | '.join(map(str, _TOKENS))} |\n|---{'|---:' * len(_TOKENS)}|\n")
    times: dict[str, dict[int, list[float]]] = {one.instructions.name: {} for one in engines}
    for tokens, ids in sequences.items():
        row, mask = ids[np.newaxis], np.ones((1, len(ids)), np.int64)
        for _ in range(rounds):
            logits = set()
            for engine in engines:
                logits.add(engine.logits(row, mask).tobytes())
                for _ in range(_CALLS):
                    begun = time.perf_counter()
                    engine.logits(row, mask)
                    times[engine.instructions.name].setdefault(tokens, []).append(time.perf_counter() - begun)
            if len(logits) != 1:
                raise SystemExit(f"{tokens} tokens: the engines differ")
    for name, by_tokens in times.items():
        cells = " | ".join(f"{statistics.median(by_tokens[tokens]) * 1e3:.1f}" for tokens in _TOKENS)
        sys.stdout.write(f"| {name} | {cells} |\n")


if __name__ == "__main__":
    main()
