"""ONNX files of emitted graphs, with their big constants streamed to a data file that several graphs can share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

from vibe_router.engines.onnx.graph_check import WeightsFile, check_onnx_graph
from vibe_router.errors import BundleCorruptError, CheckpointError
from vibe_router_export.emit.onnx.graph import OnnxGraph
from vibe_router_export.emit.onnx.nodes import MICROSOFT

# Below this a single file is easier to ship. Above it, runtimes map the data file into memory and parse nothing:
# from a single file the nano's session takes 30 ms and 18 MB more to make.
_SINGLE_FILE_BYTES = 2**20
_INLINE_BYTES = 4096
# One memory page, so that each tensor can be mapped where it lies.
_ALIGNMENT = 4096


def write_onnx(graph: OnnxGraph, path: Path) -> None:
    """Write `path`, and `path` + `_data` for graphs with more than 1 MiB of constants; check the result.

    Raises:
        onnx.checker.ValidationError: the graph is not valid ONNX; that would be a defect of the emitter.
        CheckpointError: the runtime would refuse a graph of this architecture.
    """
    write_graphs({path: graph}, data=data_file(path))


def write_graphs(graphs: Mapping[Path, OnnxGraph], *, data: Path) -> None:
    """Write several graphs of one model beside `data`, the file of their weights; check the result.

    Constants of the same name must be equal; those of more than a page are written to `data` once. A model of less
    than 1 MiB has no such file. Only one constant is copied at a time, so memory stays near the size of the weights.

    Raises:
        onnx.checker.ValidationError: a graph is not valid ONNX; that would be a defect of the emitter.
        ValueError: two constants of one name differ; that, too.
        CheckpointError: the runtime would refuse a graph of this architecture.
    """
    shared: dict[str, NDArray[np.generic]] = {}
    for graph in graphs.values():
        for name, value in graph.constants.items():
            if value.nbytes > _INLINE_BYTES and not _same(shared.setdefault(name, value), value):
                raise ValueError(f"two constants are called {name}")
    most = max(sum(value.nbytes for value in graph.constants.values()) for graph in graphs.values())
    external = {} if most <= _SINGLE_FILE_BYTES else _write_external(shared, data)
    for path, graph in graphs.items():
        tensors = [
            external.get(name) or numpy_helper.from_array(np.asarray(value, order="C"), name)
            for name, value in graph.constants.items()
        ]
        path.write_bytes(_model(graph, tensors).SerializeToString())
        # Shapes cannot be inferred through operators of `com.microsoft`.
        checker.check_model(path, full_check=not graph.is_fused)
        _check_as_read(path, data if external else None)


def _check_as_read(path: Path, data: Path | None) -> None:
    """Refuse what the runtime refuses: much made of few weights, as by hundreds of layers with two numbers a head."""
    weights = None if data is None else WeightsFile(data.name, data.stat().st_size)
    try:
        check_onnx_graph(path.read_bytes(), name=path.name, weights=weights)
    except BundleCorruptError as error:
        raise CheckpointError(
            f"the runtime would not take a graph of this architecture: {error.message}",
            hint="fewer and wider layers, wider heads or a shorter window of attention are usual",
        ) from error


def _same(a: NDArray[np.generic], b: NDArray[np.generic]) -> bool:
    return a is b or (a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b))


def _model(graph: OnnxGraph, initializers: list[TensorProto]) -> ModelProto:
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
        for name in ("input_ids", "attention_mask")
    ]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 1]) for name in ("logits", "p_cloud")]
    opsets = [helper.make_opsetid("", graph.opset)]
    if graph.is_fused:
        opsets.append(helper.make_opsetid(MICROSOFT, 1))
    return helper.make_model(
        helper.make_graph(graph.nodes, "modernbert_router", inputs, outputs, initializers),
        opset_imports=opsets,
        ir_version=graph.ir_version,
        producer_name="vibe-router",
    )


def _write_external(constants: Mapping[str, NDArray[np.generic]], path: Path) -> dict[str, TensorProto]:
    """Write constants to a data file and return, by name, the tensors that refer to it."""
    tensors = {}
    with path.open("wb") as file:
        for name, value in constants.items():
            file.seek(-(-file.tell() // _ALIGNMENT) * _ALIGNMENT)
            tensor = TensorProto(name=name, dims=value.shape, data_location=TensorProto.EXTERNAL)
            tensor.data_type = helper.np_dtype_to_tensor_dtype(value.dtype)
            for key, entry in (("location", path.name), ("offset", file.tell()), ("length", value.nbytes)):
                tensor.external_data.add(key=key, value=str(entry))
            tensors[name] = tensor
            file.write(np.ascontiguousarray(value).data)
    return tensors


def remove_onnx(path: Path) -> None:
    """Remove what `write_onnx` has written to `path`, if anything."""
    path.unlink(missing_ok=True)
    data_file(path).unlink(missing_ok=True)


def data_file(path: Path) -> Path:
    """Return where the weights of a graph at `path` are, unless it shares those of another."""
    return path.with_name(path.name + "_data")
