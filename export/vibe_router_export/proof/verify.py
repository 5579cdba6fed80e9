"""The parity gate again: a bundle that is there, against PyTorch, on this machine."""

from __future__ import annotations

from collections.abc import Sequence

from vibe_router.bundle.bundle import open_bundle
from vibe_router.engines.choice import ONNX_CPU, EngineChoice
from vibe_router.engines.select import load_engine
from vibe_router.errors import UsageError
from vibe_router.progress import ProgressCallback
from vibe_router.text.tokenizer import PromptTokenizer
from vibe_router_export.checkpoint.checkpoint import Checkpoint
from vibe_router_export.choices import Precision
from vibe_router_export.proof.cases import collect_cases, compare
from vibe_router_export.proof.parity import FP32_LIMITS, Limits, ParityReport, gate
from vibe_router_export.proof.reference import Reference


def verify_bundle(
    checkpoint: Checkpoint,
    source: str,
    *,
    engine: str = ONNX_CPU,
    precision: Precision = Precision.FP32,
    limits: Limits = FP32_LIMITS,
    prompts: Sequence[str] | None = None,
    progress: ProgressCallback | None = None,
) -> ParityReport:
    """Compare a file of an existing bundle with PyTorch on this machine; `engine` is a name of the runtime's.

    Raises:
        UsageError: the bundle is of another checkpoint.
        ParityError: they differ.
        MissingExtraError: torch or transformers is not installed.
        EngineUnavailableError: the bundle has no file of this precision for the engine, or it cannot run here.
        BundleNotFoundError, BundleCorruptError, SchemaError: the bundle cannot be read.
    """
    bundle = open_bundle(source)
    manifest = bundle.manifest
    if manifest.provenance.checkpoint_sha256 != checkpoint.sha256:
        raise UsageError(
            f"{source} was exported from another checkpoint ({manifest.provenance.checkpoint})",
            hint="name the checkpoint that it was exported from, or export again",
        )
    bundle.check()
    opened = load_engine(bundle, EngineChoice(engine=engine, precision=precision.value))
    proof = collect_cases(
        checkpoint,
        PromptTokenizer(bundle.read("tokenizer.json"), max_tokens=manifest.max_tokens),
        reference=Reference(checkpoint),
        prompts=prompts,
        max_tokens=manifest.max_tokens,
        progress=progress,
    )
    report = compare(manifest, opened, proof.cases, reference=proof.name(), band=limits.band)
    gate(report, limits, temperature=manifest.calibration.temperature)
    return report
