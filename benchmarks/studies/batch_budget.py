"""Prompts a second of one ONNX graph by how many tokens a padded batch may hold, in turns; tokenizing is left out."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from vibe_router import Router
from vibe_router.engines.onnx.cpu import OnnxCpuEngine
from vibe_router.routing.scorer import score
from vibe_router.routing.scoring import batches

_BUDGETS = (64, 128, 256, 384, 512, 1024, 2048)


def measure(bundle: str, prompts: Sequence[str], *, rounds: int) -> dict[str, float]:
    """Return prompts a second, the median over `rounds`, for one by one and for batches of every budget."""
    with Router.load(bundle, engine=OnnxCpuEngine.name) as router:
        sequences = [router.tokenizer.encode(prompt).ids for prompt in prompts]
        ways: dict[str, partial[None]] = {"one by one": partial(_one_by_one, router, sequences)}
        ways |= {f"{budget} tokens": partial(_batched, router, sequences, budget) for budget in _BUDGETS}
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, run in ways.items():
                begun = time.perf_counter()
                run()
                seconds[name].append(time.perf_counter() - begun)
    return {name: len(prompts) / statistics.median(values) for name, values in seconds.items()}


def _one_by_one(router: Router, sequences: Sequence[NDArray[np.int64]]) -> None:
    for ids in sequences:
        score(router.engine, [ids])


def _batched(router: Router, sequences: Sequence[NDArray[np.int64]], budget: int) -> None:
    for batch in batches([len(ids) for ids in sequences], budget=budget):
        score(router.engine, [sequences[place] for place in batch])
