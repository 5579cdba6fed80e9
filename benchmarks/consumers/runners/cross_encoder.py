"""Runner of the CrossEncoder of sentence-transformers, which takes a bundle by its ONNX backend."""

from __future__ import annotations

from sentence_transformers import CrossEncoder

from benchmarks.consumers.runners.sessions import session_options
from benchmarks.consumers.runners.support import Encode, Request, Score, run


def _load(request: Request) -> tuple[Encode, Score]:
    encoder = CrossEncoder(
        request["bundle"],
        backend="onnx",
        model_kwargs={"file_name": request["graph"], "session_options": session_options(request["precision"])},
        device="cpu",
        max_length=request["max_tokens"],
    )

    def encode(text: str) -> list[int]:
        ids: list[int] = encoder.tokenizer(text, truncation=True)["input_ids"]
        return ids

    def score(text: str, _: list[int]) -> float:
        # `predict` takes pairs of texts, and a prompt is one: its model and its activation, as predict has them.
        inputs = encoder.tokenizer(text, truncation=True, return_tensors="pt")
        return float(encoder.activation_fn(encoder.model(**inputs).logits)[0, 0])

    return encode, score


if __name__ == "__main__":
    run(_load)
