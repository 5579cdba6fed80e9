"""optimum-onnx: its default export, run by ONNX Runtime with ONNX Runtime's defaults."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.contenders.definition import Contender
from benchmarks.peers.contenders.scorer import Ids, Load, Mark, Scorer, TextScorer, plain_tokenizer


def prepare(checkpoint: Path, target: Path) -> None:
    """Export `checkpoint` into the folder `target`."""
    from optimum.exporters.onnx import main_export

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main_export(str(checkpoint), output=target, task="text-classification")


def _load(load: Load, mark: Mark) -> Scorer:
    import onnxruntime

    mark("imports")
    if load.artifact is None or load.checkpoint is None:
        raise ValueError("no checkpoint was given")
    encode, pad_token_id = plain_tokenizer(load.checkpoint)
    mark("tokenizer")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = load.threads
    session = onnxruntime.InferenceSession(
        str(load.artifact / "model.onnx"), sess_options=options, providers=["CPUExecutionProvider"]
    )
    mark("session")

    def logits(ids: Ids, mask: Ids) -> NDArray[np.float32]:
        values: NDArray[np.float32] = session.run(["logits"], {"input_ids": ids, "attention_mask": mask})[0][:, 0]
        return values

    return TextScorer(encode, logits, pad_token_id=pad_token_id)


CONTENDERS = (
    Contender(
        key="optimum-fp32",
        label="optimum-onnx fp32",
        family="optimum",
        settings="main_export defaults; InferenceSession defaults but for the number of threads; tokenizers library",
        modules=("onnxruntime", "tokenizers"),
        libraries=("optimum-onnx", "onnxruntime"),
        load=_load,
        weight_bytes=4,
        products="fp32",
        artifact="optimum",
        prepare=prepare,
        prepare_modules=("optimum.onnxruntime", "torch", "transformers"),
    ),
)
