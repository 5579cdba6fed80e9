"""What this machine's memory and cores give to large, simple kernels; told as JSON. Its argument: threads.

The best of several libraries stands for the machine: a floor from it is attainable, not theoretical. Read bandwidth is
a vector times a matrix far larger than any cache; peaks are products of square matrices that fit into it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.present import missing
from vibe_router_tools.measurement.timing import time_calls

_BANDWIDTH_BYTES = 256 * 2**20
_ROWS = 4096
_SIDE = 1536
_CALLS = 7

Kernel = tuple[str, str, float, Callable[[], object]]
"""Kind, library, bytes or operations of a call, and the call."""


def main() -> None:
    """Print the rates."""
    channel = os.dup(1)
    os.dup2(2, 1)
    os.write(channel, (json.dumps(rates(int(sys.argv[1]))) + "\n").encode())


def rates(threads: int) -> dict[str, dict[str, float]]:
    """Return the best rate of each kernel by kind and library: bytes or operations a second."""
    found: dict[str, dict[str, float]] = {}
    for kernels in (_numpy, _onnxruntime, _torch):
        for kind, library, amount, call in kernels(threads):
            best = min(time_calls(call, calls=_CALLS, warm_up=2))
            found.setdefault(kind, {})[library] = amount / best
    return found


def _numpy(threads: int) -> Iterator[Kernel]:
    values = np.ones(_BANDWIDTH_BYTES // 8, np.int64)
    parts = np.array_split(values, threads)
    with ThreadPoolExecutor(threads) as pool:
        yield "bandwidth", "numpy max", values.nbytes, lambda: list(pool.map(np.max, parts))
        yield "bandwidth", "numpy sum", values.nbytes, lambda: list(pool.map(np.sum, parts))
    square = _square(np.float32)
    # BLAS takes the number of threads from the environment that the parent made.
    yield "fp32", "numpy", 2.0 * _SIDE**3, lambda: square @ square


def _onnxruntime(threads: int) -> Iterator[Kernel]:
    if missing(("onnx",)):
        return
    columns = _BANDWIDTH_BYTES // 4 // _ROWS
    wide = np.full((_ROWS, columns), 0.01, np.float32)
    yield "bandwidth", "onnxruntime MatMul", wide.nbytes, _product(wide, 1, threads)
    del wide
    square = _square(np.float32)
    yield "fp32", "onnxruntime MatMul", 2.0 * _SIDE**3, _product(square, _SIDE, threads)
    yield "int8", "onnxruntime DynamicQuantizeMatMul", 2.0 * _SIDE**3, _product(_square(np.int8), _SIDE, threads)


def _torch(threads: int) -> Iterator[Kernel]:
    if missing(("torch",)):
        return
    import torch

    torch.set_num_threads(threads)
    square = torch.from_numpy(_square(np.float32))
    half = square.to(torch.bfloat16)
    yield "fp32", "torch", 2.0 * _SIDE**3, lambda: square @ square
    yield "bf16", "torch", 2.0 * _SIDE**3, lambda: half @ half


def _square(kind: Any) -> NDArray[Any]:
    random = np.random.default_rng(0)
    if kind is np.int8:
        return random.integers(-127, 128, (_SIDE, _SIDE)).astype(np.int8)
    return random.standard_normal((_SIDE, _SIDE)).astype(kind)


def _product(weights: NDArray[Any], rows: int, threads: int) -> Callable[[], object]:
    """Return a call of a graph that multiplies float32 [rows, inner] by `weights`, in int8 where they are."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    inner, columns = weights.shape
    constants = [numpy_helper.from_array(weights, "weights")]
    nodes = [helper.make_node("MatMul", ["input", "weights"], ["output"])]
    if weights.dtype == np.int8:
        constants.append(numpy_helper.from_array(np.full(columns, 0.01, np.float32), "scale"))
        inputs = ["input", "weights", "scale"]
        nodes = [helper.make_node("DynamicQuantizeMatMul", inputs, ["output"], domain="com.microsoft")]
    graph = helper.make_graph(
        nodes,
        "product",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [rows, inner])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [rows, columns])],
        constants,
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), sess_options=options, providers=["CPUExecutionProvider"]
    )
    feed = {"input": np.ones((rows, inner), np.float32)}
    return lambda: session.run(None, feed)


if __name__ == "__main__":
    main()
