"""Packages of a bundle as Core ML runs them, through coremltools. Works on macOS only."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vibe_router.bundle.bundle import Bundle
from vibe_router.bundle.manifest import EngineFile
from vibe_router.errors import EngineError
from vibe_router.extras import require_extra

COMPUTE_UNITS = {"coreml": "ALL", "coreml-cpu": "CPU_ONLY", "coreml-gpu": "CPU_AND_GPU", "coreml-ane": "CPU_AND_NE"}
"""Engine names, and what coremltools calls the hardware that each may use. Core ML decides within it."""
_PACKAGE = ".mlpackage"
_INPUT, _LOGIT = "input_ids", "logit"


@dataclass(frozen=True)
class CompiledFunction:
    """A function of a package, and the compiled model that has it; `name` is None where it is the only one."""

    package: Path
    compiled: Path
    name: str | None


class CompiledPrograms:
    """The functions of one or several packages, each loaded on first use and then kept."""

    def __init__(self, functions: Mapping[int, CompiledFunction], *, compute_units: str) -> None:
        """`functions` are the functions by length; `compute_units` is a value of `COMPUTE_UNITS`."""
        self.lengths: Sequence[int] = tuple(sorted(functions))
        self._functions = functions
        self._compute_units = compute_units
        self._loaded: dict[int, Any] = {}

    def logit(self, input_ids: NDArray[np.int32]) -> float:
        """See `FixedLengthProgram.logit`."""
        length = input_ids.shape[1]
        try:
            if length not in self._loaded:
                self._loaded[length] = self._load(self._functions[length])
            return float(np.asarray(self._loaded[length].predict({_INPUT: input_ids})[_LOGIT]).reshape(-1)[0])
        except Exception as error:
            raise EngineError(f"Core ML failed on the function for {length} tokens: {error}") from error

    def close(self) -> None:
        """Drop the loaded models."""
        self._loaded.clear()

    def _load(self, function: CompiledFunction) -> Any:
        import coremltools as ct

        units = ct.ComputeUnit[self._compute_units]
        return ct.models.CompiledMLModel(str(function.compiled), compute_units=units, function_name=function.name)


def load_programs(bundle: Bundle, file: EngineFile, *, engine: str) -> CompiledPrograms:
    """Return the functions of an engine file on the hardware that `engine` names.

    Raises:
        MissingExtraError, BundleCorruptError, EngineError: as `compile_packages`.
    """
    return CompiledPrograms(compile_packages(bundle, file), compute_units=COMPUTE_UNITS[engine])


def compile_packages(bundle: Bundle, file: EngineFile) -> dict[int, CompiledFunction]:
    """Compile the packages of an engine file, or find them compiled in the cache; return the functions by length.

    Raises:
        MissingExtraError: coremltools is not installed.
        BundleCorruptError: a file of the packages has been altered.
        EngineError: Core ML cannot compile a package.
    """
    require_extra("the Core ML engine", extra="coreml", modules=("coremltools",))
    import coremltools as ct

    names = [name for name in bundle.manifest.files if name.startswith(f"{file.file}/")]
    bundle.check(skip=set(bundle.manifest.files) - set(names))
    root = bundle.folder / file.file
    packages = [root] if file.file.endswith(_PACKAGE) else sorted(root.glob(f"*{_PACKAGE}"))
    functions: dict[int, CompiledFunction] = {}
    for package in packages:
        description = ct.utils.load_spec(str(package)).description
        compiled = _compiled(ct, package, _fingerprint(bundle, package))
        for function in description.functions or [description]:
            name = function.name if description.functions else None
            length = int(function.input[0].type.multiArrayType.shape[-1])
            functions[length] = CompiledFunction(package, compiled, name)
    return functions


def _compiled(ct: Any, package: Path, fingerprint: str) -> Path:
    cached = _cache_folder() / f"{package.stem}-{fingerprint}.mlmodelc"
    if cached.exists():
        return cached
    partial = cached.with_name(f".{os.getpid()}-{cached.name}")
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        ct.models.utils.compile_model(str(package), str(partial))
        partial.rename(cached)
    except Exception as error:
        if cached.exists():
            return cached
        raise EngineError(f"Core ML cannot compile {package.name}: {error}") from error
    return cached


def _fingerprint(bundle: Bundle, package: Path) -> str:
    """Return a digest of the package's files and of what compiles them."""
    import platform

    prefix = package.relative_to(bundle.folder).as_posix() + "/"
    entries = [f"{name} {entry.sha256}" for name, entry in bundle.manifest.files.items() if name.startswith(prefix)]
    return hashlib.sha256("\n".join([platform.mac_ver()[0], *entries]).encode()).hexdigest()[:16]


def _cache_folder() -> Path:
    return Path.home() / "Library" / "Caches" / "vibe-router"
