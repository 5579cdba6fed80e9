"""A second interpreter of saved packages, of other parts than the project's: coremltools reads them, torch computes.

It shares no code with `vibe_router_export.proof.mil_interpreter`: programs, constants and compressed weights are read
by coremltools' own loader, and each operation is what torch has for it, in fp32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import coremltools as ct
import torch
from coremltools.converters.mil.frontend.milproto.load import load

F = torch.nn.functional
Inputs = Mapping[str, Any]


class TorchProgram:
    """All functions of a package."""

    def __init__(self, package: Path) -> None:
        specification = ct.utils.load_spec(str(package))
        program = load(
            specification,
            specification_version=specification.specificationVersion,
            file_weights_dir=str(package / "Data/com.apple.CoreML/weights"),
        )
        self.functions: dict[str, Any] = dict(program.functions)

    def run(self, function: str, ids: Any) -> dict[str, Any]:
        """Return the outputs by name for int32 ids [1, tokens]."""
        chosen = self.functions[function]
        (name,) = chosen.inputs
        values: dict[str, Any] = {name: torch.from_numpy(ids)}
        for operation in chosen.operations:
            if operation.op_type == "const":
                values[operation.outputs[0].name] = _tensor(operation.outputs[0].val)
            elif operation.op_type.startswith("constexpr_"):
                values[operation.outputs[0].name] = _tensor(operation.materialized_val_inference())
            else:
                inputs = {key: _argument(value, values) for key, value in operation.inputs.items()}
                results = _OPERATIONS[operation.op_type](inputs)
                for output, result in zip(operation.outputs, _several(results), strict=True):
                    assert tuple(result.shape) == tuple(output.shape), (operation.name, result.shape, output.shape)
                    values[output.name] = result
        return {output.name: values[output.name].numpy() for output in chosen.outputs}


def _argument(value: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(value, (list, tuple)):
        return [values[one.name] for one in value]
    return values[value.name]


def _several(results: Any) -> Any:
    return results if isinstance(results, (list, tuple)) else (results,)


def _tensor(value: Any) -> Any:
    if isinstance(value, str):
        return value
    tensor = torch.as_tensor(value)
    return tensor.float() if tensor.is_floating_point() else tensor


def _ints(value: Any) -> list[int]:
    return [int(one) for one in value.reshape(-1)]


def _conv(i: Inputs) -> Any:
    pad = {"valid": 0, "same": "same", "custom": tuple(_ints(i["pad"])[::2])}[i["pad_type"]]
    strides, dilations = tuple(_ints(i["strides"])), tuple(_ints(i["dilations"]))
    return F.conv2d(i["x"], i["weight"], i.get("bias"), strides, pad, dilations, int(i["groups"]))


def _layer_norm(i: Inputs) -> Any:
    x, axes = i["x"], _ints(i["axes"])
    moved = x.movedim(axes, list(range(-len(axes), 0)))
    shape = moved.shape[-len(axes) :]
    normed = F.layer_norm(moved, shape, i.get("gamma"), i.get("beta"), float(i["epsilon"]))
    return normed.movedim(list(range(-len(axes), 0)), axes)


def _matmul(i: Inputs) -> Any:
    x = i["x"].mT if bool(i["transpose_x"]) else i["x"]
    return torch.matmul(x, i["y"].mT if bool(i["transpose_y"]) else i["y"])


def _slice(i: Inputs) -> Any:
    picked = [slice(begin, end) for begin, end in zip(_ints(i["begin"]), _ints(i["end"]), strict=True)]
    for mask, index in (("begin_mask", 0), ("end_mask", 1)):
        for axis, free in enumerate(i.get(mask, [])):
            if free:
                picked[axis] = slice(None, picked[axis].stop) if index == 0 else slice(picked[axis].start, None)
    assert "stride" not in i or set(_ints(i["stride"])) == {1}
    assert "squeeze_mask" not in i or not i["squeeze_mask"].any()
    return i["x"][tuple(picked)]


def _split(i: Inputs) -> Any:
    axis = int(i["axis"])
    sizes = _ints(i["split_sizes"]) if "split_sizes" in i else i["x"].shape[axis] // int(i["num_splits"])
    return i["x"].split(sizes, axis)


def _cast(i: Inputs) -> Any:
    wide = {"fp16": torch.float32, "fp32": torch.float32, "bool": torch.bool}
    return i["x"].to(wide.get(i["dtype"], torch.int32))


def _gelu(i: Inputs) -> Any:
    return F.gelu(i["x"], approximate={"EXACT": "none", "TANH_APPROXIMATION": "tanh"}[i["mode"]])


_OPERATIONS: dict[str, Callable[[Inputs], Any]] = {
    "add": lambda i: torch.add(i["x"], i["y"]),
    "cast": _cast,
    "concat": lambda i: torch.cat(i["values"], int(i["axis"])),
    "conv": _conv,
    "einsum": lambda i: torch.einsum(i["equation"], *i["values"]),
    "expand_dims": lambda i: torch.unsqueeze(i["x"], int(i["axes"])),
    "gather": lambda i: F.embedding(i["indices"].long(), i["x"]),
    "gelu": _gelu,
    "greater_equal": lambda i: torch.ge(i["x"], i["y"]),
    "layer_norm": _layer_norm,
    "linear": lambda i: F.linear(i["x"], i["weight"], i.get("bias")),
    "matmul": _matmul,
    "mul": lambda i: torch.mul(i["x"], i["y"]),
    "not_equal": lambda i: torch.ne(i["x"], i["y"]),
    "real_div": lambda i: torch.div(i["x"], i["y"]),
    "reduce_sum": lambda i: torch.sum(i["x"], _ints(i["axes"]), keepdim=bool(i["keep_dims"])),
    "reshape": lambda i: torch.reshape(i["x"], _ints(i["shape"])),
    "select": lambda i: torch.where(i["cond"], i["a"], i["b"]),
    "sigmoid": lambda i: torch.sigmoid(i["x"]),
    "slice_by_index": _slice,
    "softmax": lambda i: torch.softmax(i["x"], int(i["axis"])),
    "split": _split,
    "squeeze": lambda i: torch.squeeze(i["x"], _ints(i["axes"])),
    "sub": lambda i: torch.sub(i["x"], i["y"]),
    "transpose": lambda i: torch.permute(i["x"], _ints(i["perm"])),
}
