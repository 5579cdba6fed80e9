"""This project's engines, loaded as an application loads them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.contenders.definition import Contender
from benchmarks.contenders.scorer import Ids, Load, Mark, Scorer


class RouterScorer:
    """A router of one precision on the CPU."""

    def __init__(self, load: Load, mark: Mark, *, precision: str) -> None:
        from vibe_router.batching import score_alone
        from vibe_router.router import Router

        mark("imports")
        self._score = score_alone
        self._router = Router.load(
            load.bundle or load.artifact, engine="onnx-cpu", precision=precision, threads=load.threads
        )
        calibration = self._router.bundle.manifest.calibration
        self._scale = calibration.temperature if calibration.folded else 1.0
        mark("session")

    def logit(self, ids: Ids) -> float:
        """Return the raw logit z of one sequence, int64 [tokens]."""
        return self._score(self._router.engine, ids) * self._scale

    def decide(self, prompt: str) -> bool:
        """Return whether the prompt goes to the cloud."""
        return self._router.route(prompt).target.value == "cloud"

    def decide_many(self, prompts: Sequence[str]) -> list[bool]:
        """Return the same for many prompts."""
        return [decision.target.value == "cloud" for decision in self._router.route_many(prompts)]


def _prepare(checkpoint: Path, target: Path, *, precision: str) -> None:
    """Export `checkpoint` in one precision into the folder `target`, as one ships it.

    Without proof: what is measured here is time, and the logits stand in the results beside everybody else's.
    """
    from vibe_router_export.checkpoint import read_checkpoint
    from vibe_router_export.onnx_export import ExportOptions, ReferenceChoice, export_onnx
    from vibe_router_export.quantize import Precision

    chosen = (Precision(precision),)
    options = ExportOptions(reference=ReferenceChoice.NONE, precisions=chosen, max_flips=sys.maxsize)
    export_onnx(read_checkpoint(checkpoint), target, options=options)


def _load(load: Load, mark: Mark, *, precision: str) -> Scorer:
    return RouterScorer(load, mark, precision=precision)


def _contender(precision: str, weight_bytes: float, products: str) -> Contender:
    return Contender(
        key=f"ours-{precision}",
        label=f"vibe-router {precision}",
        family="ours",
        settings="Router.load as it is, engine onnx-cpu",
        modules=("vibe_router",),
        libraries=("numpy", "tokenizers", "onnxruntime"),
        load=partial(_load, precision=precision),
        weight_bytes=weight_bytes,
        products=products,
        artifact=f"bundle-{precision}",
        prepare=partial(_prepare, precision=precision),
        prepare_modules=("onnx", "safetensors"),
    )


CONTENDERS = (
    _contender("fp32", 4, "fp32"),
    _contender("int8", 1, "int8"),
    # Four bits, and a float32 scale for each 64 of them.
    _contender("int4", 0.5 + 4 / 64, "fp32"),
)
