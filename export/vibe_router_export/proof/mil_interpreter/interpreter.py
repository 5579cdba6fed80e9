"""Run a function of a package, operation by operation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vibe_router.errors import EngineError
from vibe_router_export.proof.mil_interpreter.arithmetic import Arithmetic, Rounding
from vibe_router_export.proof.mil_interpreter.compressed import DECOMPRESSIONS
from vibe_router_export.proof.mil_interpreter.operations import MOVES, OPERATIONS
from vibe_router_export.proof.mil_interpreter.package import Blob, Constant, Function, Operation, Package, TensorType

_CONSTANT = "const"
_FLOATS = ("fp16", "fp32")
_IN_MEMORY = {"fp16": np.float32, "fp32": np.float32, "int32": np.int32, "bool": np.bool_}


class Interpreter:
    """A package, and how its fp16 tensors are rounded. Constants are read once and kept as fp32."""

    def __init__(self, package: Package, rounding: Rounding) -> None:
        """Check that every operation of the package is known.

        Raises:
            EngineError: one is not; the message names it.
        """
        unknown = sorted(
            {op.kind for function in package.functions.values() for op in function.operations}
            - set(OPERATIONS)
            - set(DECOMPRESSIONS)
            - {_CONSTANT}
        )
        if unknown:
            raise EngineError(
                f"the MIL interpreter does not know the operation {', '.join(unknown)}",
                hint="it runs what this project emits",
            )
        self.package = package
        self.rounding = rounding
        self._blobs: dict[int, Any] = {}
        self._decompressed: dict[tuple[int, ...], Any] = {}

    def run(self, inputs: Mapping[str, NDArray[Any]], *, function: str | None = None) -> dict[str, NDArray[Any]]:
        """Return the outputs of a function (None: the default one) by name; float outputs are float32.

        Raises:
            EngineError: there is no such function, or inputs have other names or shapes.
        """
        name = self.package.default if function is None else function
        if name not in self.package.functions:
            raise EngineError(f"{self.package.path.name} has no function {name!r}, only {list(self.package.functions)}")
        chosen = self.package.functions[name]
        _check_inputs(chosen, inputs)
        values: dict[str, Any] = dict(inputs)
        last_use = _last_uses(chosen)
        # What overflows becomes infinite and shows in the outputs.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
            for index, operation in enumerate(chosen.operations):
                self._step(operation, values)
                for done in last_use.get(index, ()):
                    values.pop(done, None)
        return {output: values[output] for output in chosen.outputs}

    def _step(self, operation: Operation, values: dict[str, Any]) -> None:
        if operation.kind == _CONSTANT:
            values[operation.outputs[0][0]] = self._load(operation.attributes["val"])
            return
        if operation.kind in DECOMPRESSIONS:
            values[operation.outputs[0][0]] = self._decompress(operation, values)
            return
        arguments = {
            key: self._argument(sources, values, many=key == "values") for key, sources in operation.arguments.items()
        }
        kind = operation.outputs[0][1]
        arithmetic = Arithmetic(self.rounding, half=kind.dtype == "fp16" and operation.kind not in MOVES)
        results = OPERATIONS[operation.kind](arithmetic, arguments)
        if not isinstance(results, list):
            results = [results]
        for (name, expected), result in zip(operation.outputs, results, strict=True):
            values[name] = _finish(arithmetic, result, expected, name)

    def _decompress(self, operation: Operation, values: dict[str, Any]) -> Any:
        """Return a constant that is stored compressed, rounded to its type; functions that share it share the work."""
        sources: dict[str, str | Blob | Constant] = {
            key: value for key, value in operation.attributes.items() if key != "name"
        }
        sources |= {key: value[0] for key, value in operation.arguments.items()}
        name, expected = operation.outputs[0]
        offsets = tuple(source.offset for source in sources.values() if isinstance(source, Blob))
        if not offsets or offsets not in self._decompressed:
            found = {
                key: values[source] if isinstance(source, str) else self.package.constant(source)
                for key, source in sources.items()
            }
            arithmetic = Arithmetic(Rounding.HALF, half=expected.dtype == "fp16")
            self._decompressed[offsets] = _finish(arithmetic, DECOMPRESSIONS[operation.kind](found), expected, name)
        return self._decompressed[offsets]

    def _argument(self, sources: tuple[str | Blob | Constant, ...], values: dict[str, Any], *, many: bool) -> Any:
        found = [values[source] if isinstance(source, str) else self._load(source) for source in sources]
        return found if many else found[0]

    def _load(self, source: Blob | Constant) -> Any:
        if isinstance(source, Constant):
            return _widened(source.value)
        if source.offset not in self._blobs:
            self._blobs[source.offset] = _widened(self.package.constant(source))
        return self._blobs[source.offset]


def _widened(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype == np.float16:
        return value.astype(np.float32)
    return value


def _finish(arithmetic: Arithmetic, result: Any, expected: TensorType, name: str) -> Any:
    """Round a result, and hold the program to the types that it states."""
    if result.shape != expected.shape:
        raise EngineError(f"{name} is of shape {result.shape}, the package says {expected.shape}")
    if expected.dtype in _FLOATS:
        return arithmetic.result(result)
    return result.astype(_IN_MEMORY.get(expected.dtype, np.int32))


def _check_inputs(function: Function, inputs: Mapping[str, NDArray[Any]]) -> None:
    expected = {name: kind.shape for name, kind in function.inputs.items()}
    given = {name: value.shape for name, value in inputs.items()}
    if expected != given:
        raise EngineError(f"{function.name} takes inputs of shape {expected}, not {given}")


def _last_uses(function: Function) -> dict[int, list[str]]:
    """Return which tensors nobody reads after each operation, so that memory stays small."""
    last: dict[str, int] = {}
    for index, operation in enumerate(function.operations):
        for name, _ in operation.outputs:
            last[name] = index
        for sources in operation.arguments.values():
            last.update({source: index for source in sources if isinstance(source, str)})
    by_index: dict[int, list[str]] = {}
    for name, index in last.items():
        if name not in function.outputs:
            by_index.setdefault(index, []).append(name)
    return by_index
