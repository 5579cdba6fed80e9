"""Select the engine and the file that a choice means on this machine, and load them."""

from __future__ import annotations

import contextlib
import platform
import sys
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

from vibe_router.engines.choice import (
    AUTO,
    COREML,
    ENGINE_KINDS,
    NATIVE,
    NATIVE_CPU,
    ONNX,
    ONNX_CPU,
    ONNX_CUDA,
    ONNX_CUDA_GRAPHS,
    EngineChoice,
)
from vibe_router.errors import EngineUnavailableError
from vibe_router.policy import suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vibe_router.bundle.bundle import Bundle
    from vibe_router.bundle.manifest import EngineFile
    from vibe_router.engines.native.engine import Begun
    from vibe_router.engines.onnx.checked_graph import CheckedGraph
    from vibe_router.engines.protocol import Engine
    from vibe_router.text.protocol import Tokenizer

_CUDA = (ONNX_CUDA, ONNX_CUDA_GRAPHS)
# What "auto" takes of each kind, fastest first. All but fp32 only where the parity gate has passed them. A CPU computes
# fp16 slower than fp32; the graphs of other precisions have nodes that a GPU leaves to the CPU.
_PREFERENCE = {NATIVE: ("int8",), ONNX: ("int8", "fp32"), COREML: ("int8", "fp16", "pal6", "pal4")}
_HALF = "fp16"


@dataclass(frozen=True)
class Selected:
    """An engine's name and its file, whose content a thread may still be hashing; `load` makes the engine.

    `tokenizer` is the one that comes with the engine's file, None where the bundle's `tokenizer.json` is to be read.
    """

    name: str
    file: EngineFile
    load: Callable[[], Engine]
    tokenizer: Tokenizer | None = None


@contextlib.contextmanager
def select_engine(bundle: Bundle, choice: EngineChoice, *, verify: str | None = None) -> Iterator[Selected]:
    """Yield what `choice` means here. Its file is being hashed during the block, and is proven unaltered at its end.

    So are other files, as `verify` of `Router.load` says; None leaves them alone. "auto" takes the fastest engine and
    precision that this machine runs and that are proven; a name is taken at its word and never replaced by another.
    `choice.source` is not looked at: `bundle` is open already.

    Raises:
        EngineUnavailableError: unknown, not in the bundle, not possible on this machine, or nothing proven for "auto".
        EngineError: the engine's library refuses the file.
        BundleCorruptError: a file has been altered.
    """
    name = _automatic(bundle, choice.precision) if choice.engine == AUTO else choice.engine
    file = choose_file(bundle, engine=name, precision=choice.precision)
    # Begun before the engine's libraries are imported, which takes as long.
    rest = None if verify is None else bundle.begin_rest(file.file, everything=verify == "all")
    with _opened(bundle, file, name, choice) as selected:
        if name in _CUDA and choice.engine == AUTO:
            yield replace(selected, load=lambda: _load_or_take_cpu(selected.load, bundle, choice))
        else:
            yield selected
    if rest is not None:
        rest()


def load_engine(bundle: Bundle, choice: EngineChoice, *, verify: str | None = None) -> Engine:
    """Return the engine that `choice` means here, loaded, the same files proven unaltered as by `select_engine`.

    Raises:
        As `select_engine`.
    """
    with select_engine(bundle, choice, verify=verify) as selected:
        return selected.load()


def choose_file(bundle: Bundle, *, engine: str, precision: str = AUTO) -> EngineFile:
    """Return the file that `engine`, a name, would run on this machine.

    Raises:
        EngineUnavailableError: as `select_engine`.
    """
    if engine not in ENGINE_KINDS:
        raise EngineUnavailableError(f"there is no engine {engine!r}", hint=suggest(engine, [AUTO, *ENGINE_KINDS]))
    if engine in _CUDA:
        return _cuda_file(bundle, engine, precision)
    if ENGINE_KINDS[engine] == NATIVE:
        from vibe_router.engines.native.library import require_native

        require_native()
    elif engine != ONNX_CPU and not (ENGINE_KINDS[engine] == COREML and _on_macos()):
        raise EngineUnavailableError(
            f"the engine {engine!r} cannot run here", hint=f"available here: {', '.join(_runnable())}"
        )
    return _choose_file(bundle, ENGINE_KINDS[engine], precision)


def is_proven(file: EngineFile) -> bool:
    """Return whether the parity gate has passed this file."""
    return file.parity is not None and file.parity.flips_outside_band == 0


def _runnable() -> tuple[str, ...]:
    """Return the engines for this machine's CPU and operating system."""
    from vibe_router.engines.native.library import native_problem

    coreml = [name for name, kind in ENGINE_KINDS.items() if kind == COREML] if _on_macos() else []
    return (*((NATIVE_CPU,) if native_problem() is None else ()), ONNX_CPU, *coreml)


def _on_macos() -> bool:
    return sys.platform == "darwin"


def _automatic(bundle: Bundle, precision: str) -> str:
    """Return Core ML on Apple Silicon, CUDA, or the native engine, where the bundle has a proven file, else ONNX."""
    files = [file for file in bundle.manifest.engines if is_proven(file) and precision in (AUTO, file.precision)]
    here = _on_macos() and platform.machine() == "arm64" and find_spec("coremltools") is not None
    if here and any(file.kind == COREML for file in files):
        return COREML
    if any(file.kind == ONNX and file.precision == _HALF for file in files):
        from vibe_router.engines.onnx.cuda_session import cuda_problem

        if cuda_problem() is None:
            return ONNX_CUDA
    if any(file.kind == NATIVE for file in files):
        from vibe_router.engines.native.library import native_problem

        if native_problem() is None:
            return NATIVE_CPU
    return ONNX_CPU


@contextlib.contextmanager
def _opened(bundle: Bundle, file: EngineFile, name: str, choice: EngineChoice) -> Iterator[Selected]:
    """Yield what loads `file`. Engines are imported while a thread hashes their weights."""
    if ENGINE_KINDS[name] == COREML:
        yield Selected(name, file, lambda: _load_coreml(bundle, file, name))
    elif ENGINE_KINDS[name] == NATIVE:
        with bundle.checking(file.file) as (descriptor, _):
            begun = _begin_native(descriptor, bundle, file, choice)
            yield Selected(name, file, begun.load, begun.tokenizer)
    else:
        from vibe_router.engines.onnx.checked_graph import checked_graph

        with checked_graph(bundle, file) as graph:
            yield Selected(name, file, lambda: _load_onnx(graph, bundle, file, name, choice))


def _begin_native(descriptor: int, bundle: Bundle, file: EngineFile, choice: EngineChoice) -> Begun:
    from vibe_router.engines.native.engine import begin_load

    return begin_load(
        descriptor, file, threads=choice.threads, usage=choice.usage, max_tokens=bundle.manifest.max_tokens
    )


def _load_onnx(graph: CheckedGraph, bundle: Bundle, file: EngineFile, name: str, choice: EngineChoice) -> Engine:
    if name in _CUDA:
        from vibe_router.engines.onnx.cuda import load as load_cuda

        return load_cuda(graph, bundle, file, cuda_graphs=name == ONNX_CUDA_GRAPHS)
    from vibe_router.engines.onnx.cpu import load

    return load(graph, bundle, file, threads=choice.threads, usage=choice.usage)


def _load_coreml(bundle: Bundle, file: EngineFile, name: str) -> Engine:
    from vibe_router.engines.coreml.engine import load

    return load(bundle, file, name=name)


def _load_or_take_cpu(load: Callable[[], Engine], bundle: Bundle, choice: EngineChoice) -> Engine:
    """Return the engine on the GPU, or the one on the CPU where the GPU fails after all."""
    try:
        return load()
    except EngineUnavailableError:
        return load_engine(bundle, replace(choice, engine=ONNX_CPU))


def _cuda_file(bundle: Bundle, name: str, precision: str) -> EngineFile:
    from vibe_router.engines.onnx.cuda_session import require_gpu

    require_gpu()
    if precision not in (AUTO, _HALF):
        raise EngineUnavailableError(
            f"the engine {name!r} runs graphs in fp16, not in {precision}", hint="leave the precision to it"
        )
    files = [file for file in bundle.manifest.engines if file.kind == ONNX and file.precision == _HALF]
    if not files or (precision == AUTO and not is_proven(files[0])):
        raise EngineUnavailableError(
            f"bundle {bundle.manifest.name!r} has no {'proven ' if files else ''}fp16 graph for the engine {name!r}",
            hint="router-export onnx CHECKPOINT -o BUNDLE --precision fp32 --precision fp16",
        )
    return files[0]


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
