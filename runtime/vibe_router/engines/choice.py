"""Which engine runs which file of a bundle on this machine."""

from __future__ import annotations

import platform
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from vibe_router.engines.usage import Usage
from vibe_router.errors import EngineUnavailableError, UsageError
from vibe_router.manifest import EngineFile
from vibe_router.policy import suggest

if TYPE_CHECKING:
    from pathlib import Path

    from vibe_router.bundle import Bundle
    from vibe_router.engines.protocol import Engine

AUTO = "auto"
ENGINE_KINDS = {
    "onnx-cpu": "onnx",
    "onnx-cuda": "onnx",
    "coreml": "coreml",
    "coreml-cpu": "coreml",
    "coreml-gpu": "coreml",
    "coreml-ane": "coreml",
}
"""The engines that exist, each with the kind of file that it runs."""
_ONNX_CPU, _COREML = "onnx-cpu", "coreml"
# Big graphs keep their weights in a file of the graph's name and this suffix, as the Hugging Face hub names them.
_WEIGHTS_SUFFIX = "_data"
# What "auto" takes of each kind, fastest first. All but fp32 only where the parity gate has passed them.
_PREFERENCE = {"onnx": ("int8", "fp32"), "coreml": ("int8", "fp16", "pal6", "pal4")}


def choose_engine(
    bundle: Bundle,
    *,
    engine: str = AUTO,
    precision: str = AUTO,
    threads: int | None = None,
    usage: Usage = Usage.REPEATEDLY,
) -> Engine:
    """Return a loaded engine.

    "auto" takes the fastest engine and precision that this machine runs and that are proven; a name is
    taken at its word and never replaced by another.

    Raises:
        EngineUnavailableError: unknown, not in the bundle, not possible on this machine, or nothing proven
        for "auto".
        UsageError: `threads` is not positive.
        EngineError: the engine's library refuses the file.
        BundleCorruptError: the file has been altered.
    """
    if threads is not None and threads < 1:
        raise UsageError(f"threads must be at least 1, not {threads}")
    if engine != AUTO and engine not in ENGINE_KINDS:
        raise EngineUnavailableError(f"there is no engine {engine!r}", hint=suggest(engine, [AUTO, *ENGINE_KINDS]))
    name = _automatic(bundle, precision) if engine == AUTO else engine
    runnable = _runnable()
    if name not in runnable:
        raise EngineUnavailableError(
            f"the engine {name!r} cannot run here", hint=f"available here: {', '.join(runnable)}"
        )
    file = _choose_file(bundle, ENGINE_KINDS[name], precision)
    if ENGINE_KINDS[name] == _COREML:
        from vibe_router.engines.coreml import CoreMLEngine
        from vibe_router.engines.coreml_models import load_programs

        return CoreMLEngine(
            load_programs(bundle, file, engine=name),
            name=name,
            file=file.file,
            precision=file.precision,
            pad_token_id=bundle.manifest.pad_token_id,
        )

    from vibe_router.engines.onnx import OnnxCpuEngine

    content: bytes | Path = bundle.read(file.file)
    if f"{file.file}{_WEIGHTS_SUFFIX}" in bundle.manifest.files:
        # ONNX Runtime finds weights beside the graph by the graph's path, and maps them instead of copying.
        content = bundle.path(file.file)
    return OnnxCpuEngine(content, file=file.file, precision=file.precision, threads=threads, usage=usage)


def is_proven(file: EngineFile) -> bool:
    """Return whether the parity gate has passed this file."""
    return file.parity is not None and file.parity.flips_outside_band == 0


def _runnable() -> tuple[str, ...]:
    """Return the engines that this operating system can run."""
    coreml = [name for name, kind in ENGINE_KINDS.items() if kind == _COREML] if sys.platform == "darwin" else []
    return (_ONNX_CPU, *coreml)


def _automatic(bundle: Bundle, precision: str) -> str:
    """Return Core ML on Apple Silicon where the bundle has a proven file for it, else the CPU."""
    files = [
        file
        for file in bundle.manifest.engines
        if file.kind == _COREML and is_proven(file) and precision in (AUTO, file.precision)
    ]
    here = _COREML in _runnable() and platform.machine() == "arm64" and find_spec("coremltools") is not None
    return _COREML if files and here else _ONNX_CPU


def _choose_file(bundle: Bundle, kind: str, precision: str) -> EngineFile:
    files = {file.precision: file for file in bundle.manifest.engines if file.kind == kind}
    there = ", ".join(files) or "none"
    if precision != AUTO:
        if precision not in files:
            raise EngineUnavailableError(
                f"bundle {bundle.manifest.name!r} has no {kind} file of precision {precision!r}",
                hint=suggest(precision, files) if files else f"its {kind} precisions: {there}",
            )
        return files[precision]
    for candidate in _PREFERENCE[kind]:
        if candidate in files and (candidate == "fp32" or is_proven(files[candidate])):
            return files[candidate]
    raise EngineUnavailableError(
        f"bundle {bundle.manifest.name!r} has no proven {kind} file (its precisions: {there})",
        hint="name one with precision=..., or export the bundle again with the parity gate",
    )
