"""Runner of tract, an inference library in Rust."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tract

from benchmarks.consumers.runners.support import Encode, Request, Score, plain_tokenizer, run


def _load(request: Request) -> tuple[Encode, Score]:
    encode = plain_tokenizer(request)
    model = tract.onnx().load(str(Path(request["bundle"]) / request["graph"]))
    for index in range(2):
        model.set_input_fact(index, "1,S,i64")
    runnable: Any = model.into_model().into_runnable()

    def score(_: str, ids: list[int]) -> float:
        row = np.array([ids], np.int64)
        _, p_cloud = runnable.run([row, np.ones_like(row)])
        return float(p_cloud.to_numpy()[0, 0])

    return encode, score


if __name__ == "__main__":
    run(_load)
