"""This project's engines, loaded as an application loads them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmarks.peers.contenders.definition import Contender
from benchmarks.peers.contenders.scorer import Ids, Load, Mark, Scorer
from vibe_router.engines.choice import ENGINE_KINDS, EngineChoice
from vibe_router.engines.native.library import native_problem
from vibe_router_tools.measurement.cold import ColdRequest

_NATIVE = "native-cpu"


class RouterScorer:
    """A router on one engine."""

    def __init__(self, load: Load, mark: Mark, *, engine: str, precision: str) -> None:
        from vibe_router.router import Router
        from vibe_router.routing.scorer import score

        mark("imports")
        self._score = score
        self._router = Router.load(
            load.bundle or load.artifact, engine=engine, precision=precision, threads=load.threads
        )
        calibration = self._router.bundle.manifest.calibration
        self._scale = calibration.temperature if calibration.folded else 1.0
        mark("session")

    def logit(self, ids: Ids) -> float:
        """Return the raw logit z of one sequence, int64 [tokens]."""
        return float(self._score(self._router.engine, [ids])[0]) * self._scale

    def decide(self, prompt: str) -> bool:
        """Return whether the prompt goes to the cloud."""
        return self._router.route(prompt).target.value == "cloud"

    def decide_many(self, prompts: Sequence[str]) -> list[bool]:
        """Return the same for many prompts."""
        return [decision.target.value == "cloud" for decision in self._router.route_many(prompts)]


def _prepare(checkpoint: Path, target: Path, *, precision: str) -> None:
    """Export `checkpoint` in one precision into the folder `target`, as one ships it.

    Without proof: what is measured here is time, and the logits are in the results next to those of all others.
    """
    from vibe_router_export.checkpoint.checkpoint import read_checkpoint
    from vibe_router_export.choices import Precision, ReferenceChoice
    from vibe_router_export.export import ExportOptions, export_onnx

    chosen = (Precision(precision),)
    options = ExportOptions(reference=ReferenceChoice.NONE, precisions=chosen, max_flips=sys.maxsize)
    export_onnx(read_checkpoint(checkpoint), target, options=options)


def cold_request(contender: Contender, load: Load, *, prompt: str) -> ColdRequest:
    """Return what a fresh process of one of these contenders loads."""
    name = contender.key.removeprefix("ours-")
    engine, precision = ("onnx-cpu", name) if contender.artifact else (name, "auto")
    if name == "native":
        engine, precision = _NATIVE, "int8"
    source = str(load.bundle or load.artifact)
    choice = EngineChoice(source=source, engine=engine, precision=precision, threads=load.threads)
    return ColdRequest(choice, prompt)


def _load(load: Load, mark: Mark, *, engine: str, precision: str = "auto") -> Scorer:
    return RouterScorer(load, mark, engine=engine, precision=precision)


def _outside_macos() -> str | None:
    return None if sys.platform == "darwin" else "Core ML runs on macOS only"


def _without_gpu() -> str | None:
    from vibe_router.engines.onnx.cuda_session import cuda_problem

    return cuda_problem()


def _prepare_native(checkpoint: Path, target: Path) -> None:
    """Export `checkpoint` for the native engine into the folder `target`; without proof, as above."""
    from vibe_router_export.checkpoint.checkpoint import read_checkpoint
    from vibe_router_export.choices import ReferenceChoice
    from vibe_router_export.export import NativeOptions, export_native

    options = NativeOptions(reference=ReferenceChoice.NONE, max_flips=sys.maxsize)
    export_native(read_checkpoint(checkpoint), target, options=options)


def _on_cpu(precision: str, weight_bytes: float, products: str) -> Contender:
    return Contender(
        key=f"ours-{precision}",
        label=f"vibe-router {precision}",
        family="ours",
        settings="Router.load as it is, engine onnx-cpu",
        modules=("vibe_router",),
        libraries=("numpy", "tokenizers", "onnxruntime"),
        load=partial(_load, engine="onnx-cpu", precision=precision),
        weight_bytes=weight_bytes,
        products=products,
        artifact=f"bundle-{precision}",
        prepare=partial(_prepare, precision=precision),
        prepare_modules=("onnx", "safetensors"),
        reads=lambda file: (file.kind, file.precision) == ("onnx", precision),
    )


def _native() -> Contender:
    return Contender(
        key="ours-native",
        label="vibe-router native int8",
        family="ours",
        settings="Router.load as it is, engine native-cpu",
        modules=("vibe_router",),
        libraries=("numpy", "tokenizers"),
        load=partial(_load, engine=_NATIVE, precision="int8"),
        weight_bytes=1,
        products="int8",
        artifact="bundle-native",
        prepare=_prepare_native,
        prepare_modules=("onnx", "safetensors"),
        reads=lambda file: file.kind == ENGINE_KINDS[_NATIVE],
        obstacle=native_problem,
    )


def _accelerated(
    engine: str,
    label: str,
    *,
    libraries: tuple[str, ...],
    weight_bytes: float,
    precision: str | None = None,
    obstacle: Callable[[], str | None],
) -> Contender:
    """Return an engine that runs only on some machines, from a bundle that was exported for it.

    `precision` is the only one that it runs; None: any.
    """
    return Contender(
        key=f"ours-{engine}",
        label=f"vibe-router {label}",
        family="ours",
        settings=f"Router.load as it is, engine {engine}",
        modules=("vibe_router",),
        libraries=("numpy", "tokenizers", *libraries),
        load=partial(_load, engine=engine),
        weight_bytes=weight_bytes,
        # The peaks that `limits` measures are the CPU's, so there is no floor to compare with.
        products="accelerated",
        reads=lambda file: file.kind == ENGINE_KINDS[engine] and precision in (None, file.precision),
        obstacle=obstacle,
    )


CONTENDERS = (
    _native(),
    _on_cpu("fp32", 4, "fp32"),
    _on_cpu("int8", 1, "int8"),
    # Four bits, and a float32 scale for each 64 of them.
    _on_cpu("int4", 0.5 + 4 / 64, "fp32"),
    *(
        _accelerated(
            f"coreml-{units}", f"Core ML {name}", libraries=("coremltools",), weight_bytes=2, obstacle=_outside_macos
        )
        for units, name in (("ane", "Neural Engine"), ("gpu", "GPU"), ("cpu", "CPU"))
    ),
    *(
        _accelerated(engine, name, libraries=("onnxruntime",), weight_bytes=2, precision="fp16", obstacle=_without_gpu)
        for engine, name in (("onnx-cuda", "CUDA"), ("onnx-cuda-graphs", "CUDA graphs"))
    ),
)
