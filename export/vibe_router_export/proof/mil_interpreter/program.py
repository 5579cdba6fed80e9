"""The interpreter in the place of Core ML, behind the protocol through which the runtime runs it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vibe_router_export.proof.mil_interpreter.arithmetic import Rounding
from vibe_router_export.proof.mil_interpreter.interpreter import Interpreter
from vibe_router_export.proof.mil_interpreter.package import read_package


class InterpretedProgram:
    """All functions of some packages by the length of their input. Equal ids are run once and remembered."""

    def __init__(self, packages: Sequence[Path], rounding: Rounding) -> None:
        """Read the packages.

        Raises:
            BundleCorruptError: a package cannot be read.
            EngineError: it has an operation that the interpreter does not know.
        """
        self._functions: dict[int, tuple[Interpreter, str]] = {}
        for path in packages:
            package = read_package(path)
            interpreter = Interpreter(package, rounding)
            for name, function in package.functions.items():
                self._functions[int(function.inputs["input_ids"].shape[1] or 0)] = (interpreter, name)
        self._known: dict[bytes, float] = {}

    @property
    def lengths(self) -> Sequence[int]:
        """The lengths that the packages have functions for, ascending."""
        return sorted(self._functions)

    def logit(self, input_ids: NDArray[np.int32]) -> float:
        """Return the logit of ids, int32 [1, one of `lengths`]."""
        key = input_ids.tobytes()
        if key not in self._known:
            interpreter, function = self._functions[input_ids.shape[1]]
            self._known[key] = float(interpreter.run({"input_ids": input_ids}, function=function)["logit"][0, 0])
        return self._known[key]

    def close(self) -> None:
        """Forget everything."""
        self._functions.clear()
        self._known.clear()
