"""An engine that fails as a test says, and the ways to route with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vibe_router import Decision, Reason, Router, Target
from vibe_router.bundle.bundle import open_bundle
from vibe_router.errors import EngineError
from vibe_router.text.tokenizer import PromptTokenizer

Score = Callable[[int], object]


class FaultyEngine:
    """Does what a test says: `score` takes the number of sequences and returns logits, or raises, or waits."""

    name, file, precision, batch_band = "faulty", "onnx/model.onnx", "fp32", 1e-4

    def __init__(self, score: Score) -> None:
        self.score = score
        self.calls = 0

    def logits(self, sequences: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        self.calls += 1
        return self.score(len(sequences))  # type: ignore[return-value]

    def close(self) -> None:
        pass


def broken(error: BaseException) -> Score:
    def fail(_: int) -> object:
        raise error

    return fail


FAULTS: dict[str, Score] = {
    "engine error": broken(EngineError("out of order")),
    "any exception": broken(RuntimeError("out of order")),
    "out of memory": broken(MemoryError()),
    "nan": lambda count: np.full(count, np.nan, np.float32),
    "infinity": lambda count: np.full(count, np.inf, np.float32),
    "minus infinity": lambda count: np.full(count, -np.inf, np.float32),
    "no logit": lambda _: np.zeros(0, np.float32),
    "too many logits": lambda count: np.zeros(count + 1, np.float32),
    "two columns": lambda count: np.zeros((count, 2), np.float32),
    "integers": lambda count: np.zeros(count, np.int64),
    "text": lambda _: "high",
    "nothing": lambda _: None,
}


def router_with(folder: Path, score: Score) -> Router:
    bundle = open_bundle(folder)
    return Router(bundle, PromptTokenizer(bundle.read("tokenizer.json"), max_tokens=64), FaultyEngine(score))


def route_one(router: Router, **options: object) -> Decision:
    return router.route("what is 2+2?", **options)  # type: ignore[arg-type]


def route_several(router: Router, **options: object) -> Decision:
    decisions = router.route_many(["what is 2+2?"] * 3, **options)  # type: ignore[arg-type]
    assert decisions == [decisions[0]] * 3
    return decisions[0]


def route_stream(router: Router, **options: object) -> Decision:
    (decision,) = router.route_stream(["what is 2+2?"], **options)  # type: ignore[arg-type]
    return decision


def aroute(router: Router, **options: object) -> Decision:
    return asyncio.run(router.aroute("what is 2+2?", **options))  # type: ignore[arg-type]


WAYS = {"route": route_one, "route_many": route_several, "route_stream": route_stream, "aroute": aroute}
TIMED_WAYS = {name: way for name, way in WAYS.items() if name != "route_stream"}
Way = Callable[..., Decision]


def assert_without_score(decision: Decision, target: Target, reason: Reason, *, tokens: int | None = None) -> None:
    assert (decision.target, decision.reason) == (target, reason)
    assert (decision.p_cloud, decision.margin) == (None, None)
    assert decision.threshold > 0
    assert decision.engine == "faulty"
    if tokens is not None:
        assert decision.tokens == tokens
