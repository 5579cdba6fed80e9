"""The ways to run one checkpoint in low precision: this project's graphs, and other tools' int8 of the same weights."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from benchmarks.peers.contenders import openvino
from benchmarks.peers.contenders.definition import Contender
from benchmarks.peers.contenders.scorer import Load
from vibe_router.engines.native.library import native_problem
from vibe_router.engines.onnx.cpu import OnnxCpuEngine
from vibe_router.errors import CheckpointError
from vibe_router.routing.scorer import score
from vibe_router_export.checkpoint.checkpoint import Checkpoint
from vibe_router_export.choices import Precision
from vibe_router_export.emit.native.file import native_architecture, open_native, write_native
from vibe_router_export.emit.onnx.file import remove_onnx, write_onnx
from vibe_router_export.emit.onnx.graph import build_onnx
from vibe_router_export.emit.quantize import ALL_FP32, MatrixFormat, PrecisionPlan, lowered
from vibe_router_export.fold.folds import centre_residual
from vibe_router_export.observe.spikes import input_ranges
from vibe_router_export.proof.reference import reference_available

MAX_TOKENS = 512
_CALIBRATION_PROMPTS = 32
_CALIBRATION_TOKENS = 128
_OPENVINO = ("openvino-int8", "openvino-ptq")

Score = Callable[[NDArray[np.int64]], float]
"""The logit z of one sequence of ids, int64 [tokens]."""


@dataclass(frozen=True)
class Way:
    """A way to run the checkpoint: how to score, how many bytes it takes on disk."""

    name: str
    score: Score
    bytes: int | None
    kept: tuple[str, ...] = ()


def ways_to_run(
    checkpoint: Checkpoint, folder: Path, sequences: Sequence[NDArray[np.int64]], *, threads: int
) -> Iterator[Way]:
    """Yield the fp32 graph, then everything that is compared with it; only one at a time is in memory."""
    fp32 = folder / "model.onnx"
    yield _graph("fp32", checkpoint, ALL_FP32, fp32, threads=threads)
    low = folder / "low.onnx"
    short = [ids for ids in sequences if len(ids) <= _CALIBRATION_TOKENS][:_CALIBRATION_PROMPTS]
    ranges = input_ranges(checkpoint.weights, short, pad_token_id=checkpoint.config.pad_token_id)
    spiking = tuple(item.name for item in ranges if item.spiking)
    int8 = lowered(checkpoint.weights, Precision.INT8)
    writers = tuple(name.replace("mlp.Wo", "mlp.Wi") for name in spiking if "mlp.Wo" in name)
    yield _graph("int8, every matrix", checkpoint, int8, low, threads=threads)
    if spiking:
        yield _graph("int8, spiking inputs kept", checkpoint, int8, low, threads=threads, kept=spiking)
    if writers:
        both = (*spiking, *writers)
        yield _graph("int8, and what feeds them", checkpoint, int8, low, threads=threads, kept=both)
    yield from _native(checkpoint, folder / "native.safetensors", threads=threads)
    yield _graph("int4, every matrix", checkpoint, lowered(checkpoint.weights, Precision.INT4), low, threads=threads)
    yield _onnxruntime_dynamic(fp32, low, pad_token_id=checkpoint.config.pad_token_id, threads=threads)
    if reference_available():
        yield _torch_dynamic(checkpoint, threads=threads)
    for contender in openvino.CONTENDERS:
        modules = (*contender.modules, *contender.prepare_modules)
        if contender.key in _OPENVINO and all(importlib.util.find_spec(module) for module in modules):
            yield _openvino(contender, checkpoint, folder / contender.key, threads=threads)


def _graph(
    name: str, checkpoint: Checkpoint, plan: PrecisionPlan, path: Path, *, threads: int, kept: tuple[str, ...] = ()
) -> Way:
    remove_onnx(path)
    exact = dict.fromkeys(kept, MatrixFormat.FP32)
    graph = build_onnx(centre_residual(checkpoint.weights), max_tokens=MAX_TOKENS, plan={**plan, **exact})
    write_onnx(graph, path)
    pad = checkpoint.config.pad_token_id
    precision = "fp32" if plan is ALL_FP32 else "int8"
    engine = OnnxCpuEngine(path, file=path.name, precision=precision, pad_token_id=pad, threads=threads)
    return Way(name, lambda ids: float(score(engine, [ids])[0]), _size(path), kept)


def _native(checkpoint: Checkpoint, path: Path, *, threads: int) -> Iterator[Way]:
    """Yield the native engine's file, every matrix in int8; nothing where the engine cannot run, or not this model."""
    if native_problem() is not None:
        return
    try:
        architecture = native_architecture(checkpoint.weights, max_tokens=MAX_TOKENS)
    except CheckpointError:
        return
    write_native(checkpoint.weights, architecture, path)
    engine = open_native(path, file=path.name, threads=threads)
    yield Way("native, every matrix", lambda ids: float(score(engine, [ids])[0]), path.stat().st_size)


def _onnxruntime_dynamic(fp32: Path, path: Path, *, pad_token_id: int, threads: int) -> Way:
    """ONNX Runtime's own tool, which optimum's ORTQuantizer calls, with one scale a column."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    remove_onnx(path)
    external = fp32.with_name(fp32.name + "_data").exists()
    quantize_dynamic(
        fp32,
        path,
        per_channel=True,
        weight_type=QuantType.QInt8,
        # It takes ONNX's Attention for the older operator of that name, which holds weights.
        op_types_to_quantize=["MatMul", "Gather"],
        use_external_data_format=external,
        # It cannot infer types after operators of the com.microsoft domain.
        extra_options={"DefaultTensorType": TensorProto.FLOAT},
    )
    engine = OnnxCpuEngine(path, file=path.name, precision="int8", pad_token_id=pad_token_id, threads=threads)
    return Way("ONNX Runtime quantize_dynamic", lambda ids: float(score(engine, [ids])[0]), _size(path))


def _torch_dynamic(checkpoint: Checkpoint, *, threads: int) -> Way:
    """PyTorch's dynamic quantisation of every linear layer."""
    import torch
    import transformers

    torch.set_num_threads(threads)
    transformers.utils.logging.set_verbosity_error()
    model: Any = transformers.AutoModelForSequenceClassification.from_pretrained(checkpoint.folder).float().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantize: Any = torch.ao.quantization.quantize_dynamic
        model = quantize(model, {torch.nn.Linear})

    def score(ids: NDArray[np.int64]) -> float:
        with torch.inference_mode():
            return float(model(torch.from_numpy(ids[None])).logits[0, 0])

    return Way("PyTorch quantize_dynamic", score, None)


def _openvino(contender: Contender, checkpoint: Checkpoint, artifact: Path, *, threads: int) -> Way:
    """OpenVINO as the benchmarks of speed run it."""
    if contender.prepare is None:
        raise ValueError(f"{contender.key} has nothing to prepare")
    contender.prepare(checkpoint.folder, artifact)
    load = Load(checkpoint=checkpoint.folder, bundle=None, artifact=artifact, threads=threads)
    scorer = contender.load(load, lambda _: None)
    return Way(contender.label, scorer.logit, sum(file.stat().st_size for file in artifact.iterdir()))


def _size(path: Path) -> int:
    """Return the bytes of a graph and of the data files next to it that share its name."""
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))
