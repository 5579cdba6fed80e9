"""OpenVINO on the CPU, from the PyTorch model as optimum-intel converts it; NNCF for its int8."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.contenders.definition import Contender
from benchmarks.peers.contenders.pytorch import load_model
from benchmarks.peers.contenders.scorer import Ids, Load, Mark, Scorer, TextScorer, plain_tokenizer
from benchmarks.prompts import default_prompts

_FILE = "openvino_model.xml"
# NNCF's own default number of calibration samples, and a length that keeps calibration to minutes.
_CALIBRATION_PROMPTS, _CALIBRATION_TOKENS = 300, 128


def _prepare(checkpoint: Path, target: Path, *, compress: Callable[[Any, Path], Any] | None = None) -> None:
    import openvino
    import torch

    model = load_model(checkpoint, dtype=torch.float32)
    example = torch.full((2, 40), 7, dtype=torch.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        converted = openvino.convert_model(
            model, example_input={"input_ids": example, "attention_mask": torch.ones_like(example)}
        )
    if compress is not None:
        converted = compress(converted, checkpoint)
    target.mkdir(parents=True)
    openvino.save_model(converted, target / _FILE, compress_to_fp16=False)


def _compress_weights(model: Any, checkpoint: Path) -> Any:
    import nncf

    del checkpoint
    return nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)


def _quantize(model: Any, checkpoint: Path) -> Any:
    import nncf

    encode, _ = plain_tokenizer(checkpoint)

    def inputs(prompt: str) -> dict[str, Ids]:
        ids = encode(prompt)[np.newaxis, :_CALIBRATION_TOKENS]
        return {"input_ids": ids, "attention_mask": np.ones_like(ids)}

    return nncf.quantize(
        model,
        nncf.Dataset(default_prompts(_CALIBRATION_PROMPTS), inputs),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=_CALIBRATION_PROMPTS,
    )


def _load(load: Load, mark: Mark, *, options: str) -> Scorer:
    import openvino

    mark("imports")
    if load.artifact is None or load.checkpoint is None:
        raise ValueError("no checkpoint was given")
    encode, pad_token_id = plain_tokenizer(load.checkpoint)
    mark("tokenizer")
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": load.threads, **json.loads(options)}
    compiled = openvino.Core().compile_model(load.artifact / _FILE, "CPU", settings)
    request = compiled.create_infer_request()
    mark("session")

    def logits(ids: Ids, mask: Ids) -> NDArray[np.float32]:
        # By place, because the converter may rename inputs. Shared memory spares a copy of the ids.
        request.infer([ids, mask], share_inputs=True)
        values: NDArray[np.float32] = request.get_output_tensor(0).data[:, 0].copy()
        return values

    return TextScorer(encode, logits, pad_token_id=pad_token_id)


def _contender(
    key: str,
    label: str,
    artifact: str,
    options: dict[str, str],
    *,
    weight_bytes: float,
    products: str,
    compress: Callable[[Any, Path], Any] | None = None,
) -> Contender:
    settings = ", ".join(f"{name}={value}" for name, value in options.items())
    return Contender(
        key=key,
        label=label,
        family="openvino",
        settings=f"convert_model of the PyTorch model; LATENCY, {settings}; tokenizers library",
        modules=("openvino", "tokenizers"),
        libraries=("openvino", "nncf"),
        load=partial(_load, options=json.dumps(options)),
        weight_bytes=weight_bytes,
        products=products,
        artifact=artifact,
        prepare=partial(_prepare, compress=compress),
        prepare_modules=("openvino", "torch", "transformers", *(("nncf",) if compress else ())),
    )


_F32, _BF16 = {"INFERENCE_PRECISION_HINT": "f32"}, {"INFERENCE_PRECISION_HINT": "bf16"}
_DYNAMIC = {**_F32, "DYNAMIC_QUANTIZATION_GROUP_SIZE": "32"}

CONTENDERS = (
    _contender("openvino-fp32", "OpenVINO fp32", "openvino", _F32, weight_bytes=4, products="fp32"),
    _contender("openvino-bf16", "OpenVINO bf16", "openvino", _BF16, weight_bytes=2, products="bf16"),
    _contender(
        "openvino-int8",
        "OpenVINO int8 weights, dynamic",
        "openvino-int8",
        _DYNAMIC,
        weight_bytes=1,
        products="int8",
        compress=_compress_weights,
    ),
    _contender(
        "openvino-ptq",
        "OpenVINO int8 by NNCF",
        "openvino-ptq",
        _F32,
        weight_bytes=1,
        products="int8",
        compress=_quantize,
    ),
)
