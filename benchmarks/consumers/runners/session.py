"""Runner of ONNX Runtime alone: an InferenceSession on one thread, as its documentation makes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from benchmarks.consumers.runners.sessions import session_options
from benchmarks.consumers.runners.support import Encode, Request, Score, plain_tokenizer, run


def _converted(request: Request, graph: Path) -> Path:
    """Return the graph as a file in ONNX Runtime's own format, for builds without a reader of ONNX."""
    options = session_options(request["precision"])
    converted = Path(request["scratch"]) / "model.ort"
    options.optimized_model_filepath = str(converted)
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    return converted


def _load(request: Request) -> tuple[Encode, Score]:
    graph = Path(request["bundle"]) / request["graph"]
    if request["options"].get("format") == "ort":
        graph = _converted(request, graph)
    encode = plain_tokenizer(request)
    options = session_options(request["precision"])
    session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])

    def score(_: str, ids: list[int]) -> float:
        row = np.array([ids], np.int64)
        (p_cloud,) = session.run(["p_cloud"], {"input_ids": row, "attention_mask": np.ones_like(row)})
        return float(p_cloud[0, 0])

    return encode, score


if __name__ == "__main__":
    run(_load)
