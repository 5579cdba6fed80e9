"""How many tokens a padded batch should hold: prompts a second of one router under several budgets, in turns.

    python -m benchmarks.batch_budget BUNDLE PROMPTS.jsonl [COUNT]

Prints a Markdown table of medians over seven rounds: COUNT prompts (125 unless given), taken evenly from the file,
one by one and in batches of similar length. Tokenizing is left out.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vibe_router import Router
from vibe_router.routing.batching import batches, pad, score, score_alone

_BUDGETS = (64, 128, 256, 384, 512, 1024, 2048)
_ROUNDS = 7


def main() -> None:
    """Measure and print."""
    from benchmarks.prompts import read_file

    bundle, file = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 125
    prompts = read_file(Path(file))
    chosen = [prompts[place] for place in np.linspace(0, len(prompts) - 1, count).astype(int)]
    with Router.load(bundle) as router:
        sequences = [router.tokenizer.encode(prompt).ids for prompt in chosen]
        ways: dict[str, partial[None]] = {"one by one": partial(_one_by_one, router, sequences)}
        ways |= {f"{budget} tokens": partial(_batched, router, sequences, budget) for budget in _BUDGETS}
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(_ROUNDS):
            for name, run in ways.items():
                begun = time.perf_counter()
                run()
                seconds[name].append(time.perf_counter() - begun)
    sys.stdout.write("| a batch holds | prompts a second |\n| --- | ---: |\n")
    for name, values in seconds.items():
        sys.stdout.write(f"| {name} | {count / statistics.median(values):.0f} |\n")


def _one_by_one(router: Router, sequences: Sequence[NDArray[np.int64]]) -> None:
    for ids in sequences:
        score_alone(router.engine, ids)


def _batched(router: Router, sequences: Sequence[NDArray[np.int64]], budget: int) -> None:
    for batch in batches([len(ids) for ids in sequences], budget=budget):
        padded = pad([sequences[place] for place in batch], pad_token_id=router.bundle.manifest.pad_token_id)
        score(router.engine, *padded)


if __name__ == "__main__":
    main()
