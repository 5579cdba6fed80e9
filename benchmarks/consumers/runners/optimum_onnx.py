"""Runner of optimum-onnx with the tokenizer of transformers."""

from __future__ import annotations

from pathlib import PurePosixPath

from optimum.onnxruntime import ORTModelForSequenceClassification
from transformers import AutoTokenizer

from benchmarks.consumers.runners.sessions import session_options
from benchmarks.consumers.runners.support import Encode, Request, Score, run, sigmoid


def _load(request: Request) -> tuple[Encode, Score]:
    graph = PurePosixPath(request["graph"])
    tokenizer = AutoTokenizer.from_pretrained(request["bundle"])
    model = ORTModelForSequenceClassification.from_pretrained(
        request["bundle"],
        subfolder=str(graph.parent),
        file_name=graph.name,
        session_options=session_options(request["precision"]),
    )

    def encode(text: str) -> list[int]:
        ids: list[int] = tokenizer(text, truncation=True)["input_ids"]
        return ids

    def score(text: str, _: list[int]) -> float:
        return sigmoid(float(model(**tokenizer(text, truncation=True, return_tensors="pt")).logits[0, 0]))

    return encode, score


if __name__ == "__main__":
    run(_load)
