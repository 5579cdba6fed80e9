"""Write an emitted graph as an ONNX file, its big constants streamed to a data file beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

from vibe_router_export.emit.onnx.graph import OnnxGraph
from vibe_router_export.emit.onnx.nodes import MICROSOFT

_IR_VERSION = 11
# Below this a single file is easier to ship. Above it, runtimes map the data file into memory and parse nothing:
# from a single file the nano's session takes 30 ms and 18 MB more to make.
_SINGLE_FILE_BYTES = 2**20
_INLINE_BYTES = 4096
# One memory page, so that each tensor can be mapped where it lies.
_ALIGNMENT = 4096


def write_onnx(graph: OnnxGraph, path: Path) -> None:
    """Write `path`, and `path` + `_data` for graphs with more than 1 MiB of constants; check the result.

    Only one constant is copied at a time, so memory stays near the size of the weights.

    Raises:
        onnx.checker.ValidationError: the graph is not valid ONNX; that would be a defect of the emitter.
    """
    total = sum(value.nbytes for value in graph.constants.values())
    if total <= _SINGLE_FILE_BYTES:
        tensors = [
            numpy_helper.from_array(np.asarray(value, order="C"), name) for name, value in graph.constants.items()
        ]
    else:
        tensors = _write_external(graph.constants, _data_file(path))
    path.write_bytes(_model(graph, tensors).SerializeToString())
    checker.check_model(path)


def _model(graph: OnnxGraph, initializers: list[TensorProto]) -> ModelProto:
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
        for name in ("input_ids", "attention_mask")
    ]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 1]) for name in ("logits", "p_cloud")]
    opsets = [helper.make_opsetid("", graph.opset), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(
        helper.make_graph(graph.nodes, "modernbert_router", inputs, outputs, initializers),
        opset_imports=opsets,
        ir_version=_IR_VERSION,
        producer_name="vibe-router",
    )


def _write_external(constants: dict[str, NDArray[np.generic]], path: Path) -> list[TensorProto]:
    tensors = []
    with path.open("wb") as file:
        for name, value in constants.items():
            if value.nbytes <= _INLINE_BYTES:
                tensors.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
                continue
            file.seek(-(-file.tell() // _ALIGNMENT) * _ALIGNMENT)
            tensor = TensorProto(name=name, dims=value.shape, data_location=TensorProto.EXTERNAL)
            tensor.data_type = helper.np_dtype_to_tensor_dtype(value.dtype)
            for key, entry in (("location", path.name), ("offset", file.tell()), ("length", value.nbytes)):
                tensor.external_data.add(key=key, value=str(entry))
            tensors.append(tensor)
            file.write(np.ascontiguousarray(value).data)
    return tensors


def remove_onnx(path: Path) -> None:
    """Remove what `write_onnx` has written to `path`, if anything."""
    path.unlink(missing_ok=True)
    _data_file(path).unlink(missing_ok=True)


def _data_file(path: Path) -> Path:
    return path.with_name(path.name + "_data")
