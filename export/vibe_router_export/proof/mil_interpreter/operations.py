"""The MIL operations that the emitter and coremltools' passes produce, in numpy.

Each takes the arithmetic and its arguments by their MIL names. Activations are float32 arrays whatever the tensor's
type; what the type means is up to `Arithmetic`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from vibe_router.errors import EngineError
from vibe_router_export.proof.mil_interpreter.arithmetic import Arithmetic, Floats

Arguments = Mapping[str, Any]
Compute = Callable[[Arithmetic, Arguments], Any]


def _conv(arithmetic: Arithmetic, arguments: Arguments) -> Floats:
    x, weight = arguments["x"], arguments["weight"]
    plain = bool(
        weight.ndim == x.ndim == 4
        and weight.shape[2:] == (1, 1)
        and int(arguments.get("groups", 1)) == 1
        and np.all(arguments.get("strides", 1) == 1)
        and (arguments.get("pad_type", "valid") in ("valid", "same") or not np.any(arguments["pad"]))
    )
    _require(plain, "conv that is not a plain 1x1 convolution")
    batch, channels, height, width = x.shape
    flat = arithmetic.matmul(weight[:, :, 0, 0], x.reshape(batch, channels, height * width))
    product: Floats = flat.reshape(batch, len(weight), height, width)
    return product if "bias" not in arguments else product + arguments["bias"][:, None, None]


def _linear(arithmetic: Arithmetic, arguments: Arguments) -> Floats:
    product = arithmetic.matmul(arguments["x"], arguments["weight"].T)
    if "bias" in arguments:
        product = product + arguments["bias"]
    return product


def _matmul(arithmetic: Arithmetic, arguments: Arguments) -> Floats:
    x, y = arguments["x"], arguments["y"]
    if arguments.get("transpose_x", False):
        x = x.swapaxes(-1, -2)
    if arguments.get("transpose_y", False):
        y = y.swapaxes(-1, -2)
    return arithmetic.matmul(x, y)


def _einsum(arithmetic: Arithmetic, arguments: Arguments) -> Floats:
    _require(arguments["equation"] == "nchw,nwhu->nchu", f"einsum {arguments['equation']!r}")
    first, second = arguments["values"]
    product = arithmetic.matmul(first.transpose(0, 2, 1, 3), second.transpose(0, 2, 1, 3))
    moved_back: Floats = product.transpose(0, 2, 1, 3)
    return moved_back


def _layer_norm(arithmetic: Arithmetic, arguments: Arguments) -> Floats:
    x = arguments["x"]
    axes = [int(axis) % x.ndim for axis in arguments["axes"]]
    _require(len(axes) == 1, "layer_norm over several axes")
    axis = axes[0]
    count = np.float32(x.shape[axis])
    centred = arithmetic.inner(x - arithmetic.inner(arithmetic.sum(x, axis) / count))
    squares = arithmetic.sum(arithmetic.inner(np.square(centred)), axis)
    variance = arithmetic.inner(squares / count)
    deviation = arithmetic.inner(np.sqrt(arithmetic.inner(variance + np.float32(arguments.get("epsilon", 1e-5)))))
    normed: Floats = arithmetic.inner(centred / deviation)
    shape = [-1 if index == axis else 1 for index in range(x.ndim)]
    if "gamma" in arguments:
        normed = arithmetic.inner(normed * arguments["gamma"].reshape(shape))
    return normed + arguments["beta"].reshape(shape) if "beta" in arguments else normed


def _softmax(arithmetic: Arithmetic, arguments: Arguments) -> Floats:
    x, axis = arguments["x"], int(arguments.get("axis", -1))
    shifted = arithmetic.inner(x - x.max(axis=axis, keepdims=True))
    exponentials = arithmetic.inner(np.exp(shifted))
    probabilities: Floats = exponentials / arithmetic.sum(exponentials, axis)
    return probabilities


def _gelu(_: Arithmetic, arguments: Arguments) -> Floats:
    _require(arguments.get("mode", "EXACT") == "EXACT", f"gelu of mode {arguments.get('mode')}")
    x = arguments["x"]
    activated: Floats = x * np.float32(0.5) * (np.float32(1) + erf(x * np.float32(0.5**0.5)))
    return activated


def _sigmoid(_: Arithmetic, arguments: Arguments) -> Floats:
    probability: Floats = np.exp(-np.logaddexp(np.float32(0), -arguments["x"]))
    return probability


def _reduce_sum(arithmetic: Arithmetic, arguments: Arguments) -> Floats:
    x = arguments["x"]
    axes = sorted(int(axis) % x.ndim for axis in arguments["axes"])
    for axis in axes:
        x = arithmetic.sum(x, axis)
    return x if arguments.get("keep_dims", False) else x.squeeze(tuple(axes))  # type: ignore[no-any-return]


def _gather(_: Arithmetic, arguments: Arguments) -> NDArray[Any]:
    _require(int(arguments.get("batch_dims", 0)) == 0, "gather with batch dimensions")
    rows: NDArray[Any] = np.take(arguments["x"], arguments["indices"], axis=int(arguments.get("axis", 0)))
    return rows


def _split(_: Arithmetic, arguments: Arguments) -> Sequence[NDArray[Any]]:
    axis = int(arguments["axis"])
    if "split_sizes" in arguments:
        return np.split(arguments["x"], np.cumsum(arguments["split_sizes"])[:-1], axis=axis)
    return np.split(arguments["x"], int(arguments["num_splits"]), axis=axis)


def _concat(_: Arithmetic, arguments: Arguments) -> NDArray[Any]:
    _require(not arguments.get("interleave", False), "concat that interleaves")
    return np.concatenate(arguments["values"], axis=int(arguments["axis"]))


def _slice_by_index(_: Arithmetic, arguments: Arguments) -> NDArray[Any]:
    x = arguments["x"]
    no = np.zeros(x.ndim, bool)
    begin_mask, end_mask = arguments.get("begin_mask", no), arguments.get("end_mask", no)
    _require(not np.any(arguments.get("squeeze_mask", no)), "slice_by_index that squeezes")
    strides = arguments.get("stride", np.ones(x.ndim, int))
    picked = tuple(
        slice(None if begin_mask[i] else int(begin), None if end_mask[i] else int(end), int(strides[i]))
        for i, (begin, end) in enumerate(zip(arguments["begin"], arguments["end"], strict=True))
    )
    return x[picked]  # type: ignore[no-any-return]


def _cast(_: Arithmetic, arguments: Arguments) -> NDArray[Any]:
    target = {"fp16": np.float32, "fp32": np.float32, "int32": np.int32, "bool": np.bool_}.get(arguments["dtype"])
    _require(target is not None, f"cast to {arguments['dtype']}")
    return arguments["x"].astype(target)  # type: ignore[no-any-return]


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise EngineError(f"the MIL interpreter does not know {what}", hint="it runs what this project emits")


OPERATIONS: dict[str, Compute] = {
    "add": lambda _, a: a["x"] + a["y"],
    "cast": _cast,
    "concat": _concat,
    "conv": _conv,
    "einsum": _einsum,
    "expand_dims": lambda _, a: np.expand_dims(a["x"], tuple(int(axis) for axis in a["axes"])),
    "gather": _gather,
    "gelu": _gelu,
    "greater_equal": lambda _, a: a["x"] >= a["y"],
    "layer_norm": _layer_norm,
    "linear": _linear,
    "matmul": _matmul,
    "mul": lambda _, a: a["x"] * a["y"],
    "not_equal": lambda _, a: a["x"] != a["y"],
    "real_div": lambda _, a: a["x"] / a["y"],
    "reduce_sum": _reduce_sum,
    "reshape": lambda _, a: a["x"].reshape(tuple(int(size) for size in a["shape"])),
    "select": lambda _, a: np.where(a["cond"], a["a"], a["b"]),
    "sigmoid": _sigmoid,
    "slice_by_index": _slice_by_index,
    "softmax": _softmax,
    "split": _split,
    "squeeze": lambda _, a: a["x"].squeeze(tuple(int(axis) for axis in a["axes"])),
    "sub": lambda _, a: a["x"] - a["y"],
    "transpose": lambda _, a: a["x"].transpose([int(axis) for axis in a["perm"]]),
}
"""Every operation that can be run, by its MIL name."""

MOVES = frozenset(
    {"concat", "expand_dims", "gather", "reshape", "select", "slice_by_index", "split", "squeeze", "transpose"}
)
"""Operations that only move numbers: what went in rounded comes out rounded."""
