"""Runner of OpenVINO's CPU plugin, in fp32 on one thread."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino

from benchmarks.consumers.runners.support import Encode, Request, Score, plain_tokenizer, run

_SETTINGS = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": 1}


def _load(request: Request) -> tuple[Encode, Score]:
    encode = plain_tokenizer(request)
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(str(Path(request["bundle"]) / request["graph"])), "CPU", _SETTINGS)
    inference = compiled.create_infer_request()

    def score(_: str, ids: list[int]) -> float:
        row = np.array([ids], np.int64)
        outputs = inference.infer({"input_ids": row, "attention_mask": np.ones_like(row)})
        return float(outputs["p_cloud"][0, 0])

    return encode, score


if __name__ == "__main__":
    run(_load)
