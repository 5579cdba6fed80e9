"""Read a saved .mlpackage: its functions, their operations and types, and constants out of its weight file.

Format: https://apple.github.io/coremltools/mlmodel/ (Model.proto and MIL.proto). Constants larger than a few bytes lie
in weights/weight.bin, each after a 64-byte record of magic number, type, size and offset.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vibe_router.errors import BundleCorruptError

Value = NDArray[Any] | str
_DATA = Path("Data/com.apple.CoreML")
_MAGIC = 0xDEADBEEF
_HINT = "export the package again"
_NUMPY: dict[str, np.dtype[Any]] = {
    "fp16": np.dtype("<f2"),
    "fp32": np.dtype("<f4"),
    "int8": np.dtype("i1"),
    "uint8": np.dtype("u1"),
    "int32": np.dtype("<i4"),
    "uint32": np.dtype("<u4"),
    "bool": np.dtype("?"),
}
_NAMES = {"FLOAT16": "fp16", "FLOAT32": "fp32"}
# Types narrower than a byte are packed, lowest bits first.
_BITS = {"uint1": 1, "uint2": 2, "uint3": 3, "uint4": 4, "uint6": 6}


@dataclass(frozen=True)
class TensorType:
    """Element type ("fp16", "int32", "bool", ...) and shape; a dimension that is not fixed is None."""

    dtype: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class Blob:
    """A constant that lies in the weight file."""

    offset: int
    type: TensorType


@dataclass(frozen=True)
class Operation:
    """One operation. `arguments` are names of tensors, or constants written in place; `outputs` names and types."""

    kind: str
    arguments: dict[str, tuple[str | Blob | Constant, ...]]
    outputs: tuple[tuple[str, TensorType], ...]
    attributes: dict[str, Blob | Constant]


@dataclass(frozen=True)
class Constant:
    """A constant written in place."""

    value: Value
    type: TensorType


@dataclass(frozen=True)
class Function:
    """A function of a package: operations in order."""

    name: str
    inputs: dict[str, TensorType]
    operations: tuple[Operation, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Package:
    """A package on disk; functions by name. `bytes` counts all its files."""

    path: Path
    functions: dict[str, Function]
    default: str
    specification: int
    bytes: int

    def constant(self, source: Blob | Constant) -> Value:
        """Return a constant; a blob is mapped from the file unless its type is narrower than a byte.

        Raises:
            BundleCorruptError: there is no such record in the weight file.
        """
        if isinstance(source, Constant):
            return source.value
        shape = tuple(size or 0 for size in source.type.shape)
        count = int(np.prod(shape))
        path = self.path / _DATA / "weights" / "weight.bin"
        with path.open("rb") as file:
            file.seek(source.offset)
            record = file.read(24)
        if len(record) < 24 or struct.unpack_from("<I", record)[0] != _MAGIC:
            raise BundleCorruptError(f"{path} has no constant at {source.offset}", hint=_HINT)
        size, start = struct.unpack_from("<QQ", record, 8)
        if source.type.dtype in _BITS:
            raw = np.fromfile(path, np.uint8, size, offset=start)
            return _unpack(raw, _BITS[source.type.dtype], count).reshape(shape)
        dtype = _NUMPY[source.type.dtype]
        if size != count * dtype.itemsize:
            raise BundleCorruptError(f"{path} holds {size} bytes at {start} for {source.type}", hint=_HINT)
        return np.memmap(path, dtype, "r", start, shape)


def read_package(path: Path) -> Package:
    """Read the program of an .mlpackage; constants stay in the file until they are asked for.

    Raises:
        BundleCorruptError: not a package that holds an ML program.
    """
    from coremltools.proto import Model_pb2
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped, unused-ignore]

    specification = Model_pb2.Model()
    try:
        specification.ParseFromString((path / _DATA / "model.mlmodel").read_bytes())
    except (OSError, DecodeError) as error:
        raise BundleCorruptError(f"cannot read {path}: {error}", hint=_HINT) from error
    if specification.WhichOneof("Type") != "mlProgram":
        raise BundleCorruptError(f"{path} holds no ML program", hint=_HINT)
    functions = {name: _function(name, function) for name, function in specification.mlProgram.functions.items()}
    return Package(
        path=path,
        functions=functions,
        default=specification.description.defaultFunctionName or "main",
        specification=specification.specificationVersion,
        bytes=sum(file.stat().st_size for file in path.rglob("*") if file.is_file()),
    )


def _function(name: str, function: Any) -> Function:
    block = function.block_specializations[function.opset]
    return Function(
        name=name,
        inputs={entry.name: _type(entry.type) for entry in function.inputs},
        operations=tuple(_operations(block)),
        outputs=tuple(block.outputs),
    )


def _operations(block: Any) -> Iterator[Operation]:
    for operation in block.operations:
        if operation.blocks:
            raise BundleCorruptError(f"{operation.type} has blocks of its own, which is not supported", hint=_HINT)
        yield Operation(
            kind=operation.type,
            arguments={
                key: tuple(_argument(binding) for binding in argument.arguments)
                for key, argument in operation.inputs.items()
            },
            outputs=tuple((output.name, _type(output.type)) for output in operation.outputs),
            attributes={key: _value(value) for key, value in operation.attributes.items()},
        )


def _argument(binding: Any) -> str | Blob | Constant:
    return str(binding.name) if binding.WhichOneof("binding") == "name" else _value(binding.value)


def _type(value_type: Any) -> TensorType:
    from coremltools.proto import MIL_pb2

    tensor = value_type.tensorType
    name = MIL_pb2.DataType.Name(tensor.dataType)
    shape = tuple(
        size.constant.size if size.WhichOneof("dimension") == "constant" else None for size in tensor.dimensions
    )
    return TensorType(_NAMES.get(name, name.lower()), shape)


def _value(value: Any) -> Blob | Constant:
    kind = _type(value.type)
    if value.WhichOneof("value") == "blobFileValue":
        return Blob(value.blobFileValue.offset, kind)
    tensor = value.immediateValue.tensor
    field = tensor.WhichOneof("value")
    if field == "strings":
        return Constant(str(tensor.strings.values[0]), kind)
    shape = tuple(size or 0 for size in kind.shape)
    if field == "bytes":
        raw = np.frombuffer(tensor.bytes.values, np.uint8)
        if kind.dtype in _BITS:
            return Constant(_unpack(raw, _BITS[kind.dtype], int(np.prod(shape))).reshape(shape), kind)
        return Constant(raw.view(_NUMPY[kind.dtype]).reshape(shape), kind)
    return Constant(np.array(getattr(tensor, field).values, _NUMPY[kind.dtype]).reshape(shape), kind)


def _unpack(raw: NDArray[np.uint8], bits: int, count: int) -> NDArray[np.uint8]:
    stream = np.unpackbits(raw, bitorder="little")[: count * bits].reshape(count, bits)
    weights = (1 << np.arange(bits)).astype(np.uint8)
    values: NDArray[np.uint8] = (stream * weights).sum(axis=1, dtype=np.uint8)
    return values
