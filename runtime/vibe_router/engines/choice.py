"""Which engine runs which file of a bundle on this machine."""

from __future__ import annotations

import platform
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from vibe_router.bundle.manifest import EngineFile
from vibe_router.engines.onnx.checked_graph import WEIGHTS_SUFFIX, checked_graph
from vibe_router.engines.usage import Usage
from vibe_router.errors import EngineUnavailableError, UsageError
from vibe_router.policy import suggest

if TYPE_CHECKING:
    from collections.abc import Callable

    from vibe_router.bundle.bundle import Bundle
    from vibe_router.engines.protocol import Engine

AUTO = "auto"
ENGINE_KINDS = {
    "native-cpu": "native",
    "onnx-cpu": "onnx",
    "onnx-cuda": "onnx",
    "onnx-cuda-graphs": "onnx",
    "coreml": "coreml",
    "coreml-cpu": "coreml",
    "coreml-gpu": "coreml",
    "coreml-ane": "coreml",
}
"""The engines that exist, each with the kind of file that it runs."""
COREML = "coreml"
"""The kind of file, and the engine that leaves the choice of hardware to Core ML."""
NATIVE = "native"
"""The kind of file that the project's own engine runs."""
_NATIVE_CPU = "native-cpu"
_ONNX_CPU, _ONNX_CUDA, _ONNX_CUDA_GRAPHS = "onnx-cpu", "onnx-cuda", "onnx-cuda-graphs"
_CUDA = (_ONNX_CUDA, _ONNX_CUDA_GRAPHS)
# What "auto" takes of each kind, fastest first. All but fp32 only where the parity gate has passed them. A CPU computes
# fp16 slower than fp32; the graphs of other precisions have nodes that a GPU leaves to the CPU.
_PREFERENCE = {"native": ("int8",), "onnx": ("int8", "fp32"), "coreml": ("int8", "fp16", "pal6", "pal4")}
_HALF = "fp16"


def choose_engine(
    bundle: Bundle,
    *,
    engine: str = AUTO,
    precision: str = AUTO,
    threads: int | None = None,
    usage: Usage = Usage.REPEATEDLY,
    meanwhile: Callable[[], object] | None = None,
) -> Engine:
    """Return a loaded engine.

    An engine on the CPU calls `meanwhile` first, while a thread hashes its weights already; others do not.

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
    name = _automatic(bundle, precision) if engine == AUTO else engine
    if name in _CUDA:
        try:
            return _load_cuda(bundle, name, precision)
        except EngineUnavailableError:
            if engine != AUTO:
                raise
            name = _ONNX_CPU
    file = choose_file(bundle, engine=name, precision=precision)
    if ENGINE_KINDS[name] == COREML:
        from vibe_router.engines.coreml.engine import CoreMLEngine
        from vibe_router.engines.coreml.models import load_programs

        return CoreMLEngine(
            load_programs(bundle, file, engine=name),
            name=name,
            file=file.file,
            precision=file.precision,
            pad_token_id=bundle.manifest.pad_token_id,
        )

    if ENGINE_KINDS[name] == NATIVE:
        return _load_native(bundle, file, threads=threads, meanwhile=meanwhile)
    with checked_graph(bundle, file) as (content, weights):
        if meanwhile is not None:
            meanwhile()
        # Imported only now, while a thread hashes the weights.
        from vibe_router.engines.onnx.cpu import OnnxCpuEngine

        return OnnxCpuEngine(
            content, file=file.file, precision=file.precision, threads=threads, usage=usage, weights=weights
        )


def choose_file(bundle: Bundle, *, engine: str, precision: str = AUTO) -> EngineFile:
    """Return the file that `engine`, a name on this machine's CPU or in Core ML, would run.

    Raises:
        EngineUnavailableError: as `choose_engine`.
    """
    if engine not in ENGINE_KINDS:
        raise EngineUnavailableError(f"there is no engine {engine!r}", hint=suggest(engine, [AUTO, *ENGINE_KINDS]))
    if ENGINE_KINDS[engine] == NATIVE:
        from vibe_router.engines.native.library import require_native

        require_native()
    elif engine != _ONNX_CPU and not (ENGINE_KINDS[engine] == COREML and _on_macos()):
        raise EngineUnavailableError(
            f"the engine {engine!r} cannot run here", hint=f"available here: {', '.join(_runnable())}"
        )
    return _choose_file(bundle, ENGINE_KINDS[engine], precision)


def engine_files(file: str) -> tuple[str, ...]:
    """Return the names that `choose_engine` has checked for an engine of `file`, in the bundle or not."""
    return file, f"{file}{WEIGHTS_SUFFIX}"


def is_proven(file: EngineFile) -> bool:
    """Return whether the parity gate has passed this file."""
    return file.parity is not None and file.parity.flips_outside_band == 0


def _runnable() -> tuple[str, ...]:
    """Return the engines for this machine's CPU and operating system."""
    from vibe_router.engines.native.library import native_problem

    coreml = [name for name, kind in ENGINE_KINDS.items() if kind == COREML] if _on_macos() else []
    return (*((_NATIVE_CPU,) if native_problem() is None else ()), _ONNX_CPU, *coreml)


def _on_macos() -> bool:
    return sys.platform == "darwin"


def _automatic(bundle: Bundle, precision: str) -> str:
    """Return Core ML on Apple Silicon, CUDA, or the native engine, where the bundle has a proven file, else ONNX."""
    files = [file for file in bundle.manifest.engines if is_proven(file) and precision in (AUTO, file.precision)]
    here = _on_macos() and platform.machine() == "arm64" and find_spec("coremltools") is not None
    if here and any(file.kind == COREML for file in files):
        return COREML
    if any(file.kind == ENGINE_KINDS[_ONNX_CUDA] and file.precision == _HALF for file in files):
        from vibe_router.engines.onnx.cuda_session import cuda_problem

        if cuda_problem() is None:
            return _ONNX_CUDA
    if any(file.kind == NATIVE for file in files):
        from vibe_router.engines.native.library import native_problem

        if native_problem() is None:
            return _NATIVE_CPU
    return _ONNX_CPU


def _load_native(
    bundle: Bundle, file: EngineFile, *, threads: int | None, meanwhile: Callable[[], object] | None
) -> Engine:
    with bundle.checking(file.file) as descriptor:
        if meanwhile is not None:
            meanwhile()
        # Imported only now, while a thread hashes the file.
        import mmap

        from vibe_router.engines.native.engine import NativeEngine

        mapping = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        return NativeEngine(mapping, file=file.file, precision=file.precision, threads=threads)


def _load_cuda(bundle: Bundle, name: str, precision: str) -> Engine:
    from vibe_router.engines.onnx.cuda import OnnxCudaEngine
    from vibe_router.engines.onnx.cuda_session import open_cuda_session, require_gpu

    require_gpu()
    if precision not in (AUTO, _HALF):
        raise EngineUnavailableError(
            f"the engine {name!r} runs graphs in fp16, not in {precision}", hint="leave the precision to it"
        )
    files = [file for file in bundle.manifest.engines if file.kind == ENGINE_KINDS[name] and file.precision == _HALF]
    if not files or (precision == AUTO and not is_proven(files[0])):
        raise EngineUnavailableError(
            f"bundle {bundle.manifest.name!r} has no {'proven ' if files else ''}fp16 graph for the engine {name!r}",
            hint="router-export onnx CHECKPOINT -o BUNDLE --precision fp32 --precision fp16",
        )
    (file,) = files
    graphs = name == _ONNX_CUDA_GRAPHS
    with checked_graph(bundle, file) as (content, weights):
        session = open_cuda_session(content, file=file.file, weights=weights, cuda_graphs=graphs)
    return OnnxCudaEngine(
        session,
        file=file.file,
        precision=file.precision,
        pad_token_id=bundle.manifest.pad_token_id,
        max_tokens=bundle.manifest.max_tokens,
        cuda_graphs=graphs,
    )


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
