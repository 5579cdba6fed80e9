"""Which engine runs which file of a bundle on this machine."""

from __future__ import annotations

import contextlib
import platform
import sys
from importlib.util import find_spec
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from vibe_router.engines.usage import Usage
from vibe_router.errors import EngineUnavailableError, UsageError
from vibe_router.manifest import EngineFile
from vibe_router.policy import suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vibe_router.bundle import Bundle
    from vibe_router.engines.external_weights import ExternalWeights
    from vibe_router.engines.protocol import Engine

AUTO = "auto"
ENGINE_KINDS = {
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
_ONNX_CPU, _ONNX_CUDA, _ONNX_CUDA_GRAPHS = "onnx-cpu", "onnx-cuda", "onnx-cuda-graphs"
_CUDA = (_ONNX_CUDA, _ONNX_CUDA_GRAPHS)
# Big graphs keep their weights in a file of the graph's name and this suffix, as the Hugging Face hub names them.
_WEIGHTS_SUFFIX = "_data"
# What "auto" takes of each kind, fastest first. All but fp32 only where the parity gate has passed them. A CPU computes
# fp16 slower than fp32; the graphs of other precisions have nodes that a GPU leaves to the CPU.
_PREFERENCE = {"onnx": ("int8", "fp32"), "coreml": ("int8", "fp16", "pal6", "pal4")}
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
        from vibe_router.engines.coreml import CoreMLEngine
        from vibe_router.engines.coreml_models import load_programs

        return CoreMLEngine(
            load_programs(bundle, file, engine=name),
            name=name,
            file=file.file,
            precision=file.precision,
            pad_token_id=bundle.manifest.pad_token_id,
        )

    with _checked_graph(bundle, file) as (content, weights):
        if meanwhile is not None:
            meanwhile()
        # Imported only now, while a thread hashes the weights.
        from vibe_router.engines.onnx import OnnxCpuEngine

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
    runnable = _runnable()
    if engine not in runnable:
        raise EngineUnavailableError(
            f"the engine {engine!r} cannot run here", hint=f"available here: {', '.join(runnable)}"
        )
    return _choose_file(bundle, ENGINE_KINDS[engine], precision)


def engine_files(file: str) -> tuple[str, ...]:
    """Return the names that `choose_engine` has checked for an engine of `file`, in the bundle or not."""
    return file, f"{file}{_WEIGHTS_SUFFIX}"


def is_proven(file: EngineFile) -> bool:
    """Return whether the parity gate has passed this file."""
    return file.parity is not None and file.parity.flips_outside_band == 0


def _runnable() -> tuple[str, ...]:
    """Return the engines that this operating system can run."""
    coreml = [name for name, kind in ENGINE_KINDS.items() if kind == COREML] if sys.platform == "darwin" else []
    return (_ONNX_CPU, *coreml)


def _automatic(bundle: Bundle, precision: str) -> str:
    """Return Core ML on Apple Silicon, or CUDA, where the bundle has a proven file for it, else the CPU."""
    files = [file for file in bundle.manifest.engines if is_proven(file) and precision in (AUTO, file.precision)]
    here = COREML in _runnable() and platform.machine() == "arm64" and find_spec("coremltools") is not None
    if here and any(file.kind == COREML for file in files):
        return COREML
    if any(file.kind == ENGINE_KINDS[_ONNX_CUDA] and file.precision == _HALF for file in files):
        from vibe_router.engines.cuda_session import cuda_problem

        if cuda_problem() is None:
            return _ONNX_CUDA
    return _ONNX_CPU


def _load_cuda(bundle: Bundle, name: str, precision: str) -> Engine:
    from vibe_router.engines.cuda_session import open_cuda_session, require_gpu
    from vibe_router.engines.onnx_cuda import OnnxCudaEngine

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
    with _checked_graph(bundle, file) as (content, weights):
        session = open_cuda_session(content, file=file.file, weights=weights, cuda_graphs=graphs)
    return OnnxCudaEngine(
        session,
        file=file.file,
        precision=file.precision,
        pad_token_id=bundle.manifest.pad_token_id,
        max_tokens=bundle.manifest.max_tokens,
        cuda_graphs=graphs,
    )


@contextlib.contextmanager
def _checked_graph(bundle: Bundle, file: EngineFile) -> Iterator[tuple[bytes, ExternalWeights | None]]:
    """Yield the bytes of a graph and what holds its big weights, for a session that is made inside the block.

    The graph is checked before; the weights are, at the latest, when the block ends.

    Raises:
        BundleCorruptError: a file has been altered, or the graph holds what no router's graph has.
    """
    from vibe_router.engines.external_weights import WeightsFolder, WeightsMapping
    from vibe_router.onnx_graph_check import WeightsFile, check_onnx_graph

    content = bundle.read(file.file)
    name = f"{file.file}{_WEIGHTS_SUFFIX}"
    if name not in bundle.manifest.files:
        check_onnx_graph(content, name=file.file, weights=None)
        yield content, None
        return
    with bundle.checking(name) as descriptor:
        beside = PurePosixPath(name).name
        check_onnx_graph(content, name=file.file, weights=WeightsFile(beside, bundle.manifest.files[name].bytes))
        if bundle.blobs is None:
            yield content, WeightsFolder((bundle.folder / name).parent)
        else:
            # ONNX Runtime follows no link out of the graph's folder, as the Hugging Face cache has them.
            yield content, WeightsMapping(beside, descriptor)


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
