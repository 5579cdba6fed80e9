"""Time of the native engine on each instruction set of this processor, in turns, on the same ids."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

from vibe_router.bundle.bundle import open_bundle
from vibe_router.bundle.safe_open import map_file
from vibe_router.engines.native.engine import NativeEngine
from vibe_router.engines.native.library import supported_instructions
from vibe_router.engines.native.model import NativeModel
from vibe_router.engines.select import choose_file
from vibe_router.errors import ParityError
from vibe_router.text.tokenizer import PromptTokenizer
from vibe_router_tools.measurement.workload import sequences_of

TOKENS = (4, 16, 48, 128, 512)
_CALLS = 3


def measure(folder: str, prompts: Sequence[str], *, threads: int, rounds: int) -> dict[str, dict[int, float]]:
    """Return median milliseconds by instruction set and tokens. Engines share a process; their threads sleep in turns.

    Raises:
        ParityError: two instruction sets give different bits.
    """
    bundle = open_bundle(folder)
    file = choose_file(bundle, engine=NativeEngine.name, precision="int8")
    with bundle.path(file.file).open("rb") as opened:
        model = NativeModel(map_file(opened.fileno(), name=file.file), file=file.file)
    engines = [
        NativeEngine(model, file=file.file, precision=file.precision, threads=threads, instructions=one)
        for one in supported_instructions()
    ]
    tokenizer = PromptTokenizer(bundle.read("tokenizer.json"), max_tokens=bundle.manifest.max_tokens)
    times: dict[str, dict[int, float]] = {one.instructions.name: {} for one in engines}
    for tokens, ids in sequences_of(tokenizer, prompts, TOKENS).items():
        seconds: dict[str, list[float]] = {name: [] for name in times}
        for _ in range(rounds):
            logits = set()
            for engine in engines:
                logits.add(engine.logits([ids]).tobytes())
                for _ in range(_CALLS):
                    begun = time.perf_counter()
                    engine.logits([ids])
                    seconds[engine.instructions.name].append(time.perf_counter() - begun)
            if len(logits) != 1:
                raise ParityError(f"{tokens} tokens: two instruction sets give different logits")
        for name, values in seconds.items():
            times[name][tokens] = statistics.median(values) * 1e3
    return times
