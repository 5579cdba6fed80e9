"""checkpoint -> folded weights -> ONNX -> parity gate -> bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from vibe_router.bundle import open_bundle
from vibe_router.engines.choice import choose_engine
from vibe_router.engines.onnx import OnnxCpuEngine
from vibe_router.events import ProgressCallback
from vibe_router.manifest import Calibration, EngineFile, Manifest, ParityNumbers
from vibe_router.tokenizer import PromptTokenizer
from vibe_router_export.assemble import calibrated_thresholds, write_manifest, write_model_files
from vibe_router_export.card import bundle_card
from vibe_router_export.checkpoint import Checkpoint
from vibe_router_export.emit.onnx_graph import build_onnx
from vibe_router_export.fold import fold_temperature
from vibe_router_export.golden import dump_golden
from vibe_router_export.onnx_file import write_onnx
from vibe_router_export.parity import FP32_LIMITS, ParityReport, gate, measure
from vibe_router_export.proof import collect_cases
from vibe_router_export.reference import Reference, reference_available
from vibe_router_export.staging import staged_folder

MODEL_FILE = "onnx/model.onnx"


class ReferenceChoice(Enum):
    """What to prove against: AUTO is TRANSFORMERS where torch and transformers are installed, else NONE."""

    AUTO = "auto"
    TRANSFORMERS = "transformers"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What the caller may decide. None means: as the checkpoint says, else the default."""

    name: str | None = None
    temperature: float | None = None
    profiles: Mapping[str, float] | None = None
    max_tokens: int = 512
    reference: ReferenceChoice = ReferenceChoice.AUTO
    prompts: Sequence[str] | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class Exported:
    """The manifest that was written, and the comparison that allowed it."""

    manifest: Manifest
    report: ParityReport


def export_onnx(
    checkpoint: Checkpoint,
    bundle: Path,
    *,
    options: ExportOptions,
    progress: ProgressCallback | None = None,
) -> Exported:
    """Write a bundle. Nothing stands at `bundle` unless every check has passed.

    Without a reference the graph is still compared with the numpy emitter on the golden prompts, and the manifest
    says that nothing is proven (`parity` null).

    Raises:
        ParityError: the graph does not decide as the reference does.
        UsageError: `bundle` exists and `options.overwrite` is not set, or a setting is out of range.
        MissingExtraError: the reference was asked for and is not installed.
        CheckpointError: the checkpoint's tokenizer files cannot be read.
    """
    calibration = _calibration(checkpoint, options)
    temperature = calibration.temperature
    thresholds = calibrated_thresholds(options.profiles or checkpoint.router.profiles, temperature)
    max_tokens = min(options.max_tokens, checkpoint.config.max_positions)
    with staged_folder(bundle, overwrite=options.overwrite) as staged:
        write_model_files(checkpoint, staged, max_tokens=max_tokens)
        model = staged / MODEL_FILE
        model.parent.mkdir()
        folded = fold_temperature(checkpoint.weights, temperature)
        write_onnx(build_onnx(folded, max_tokens=max_tokens), model)

        tokenizer = PromptTokenizer((staged / "tokenizer.json").read_bytes(), max_tokens=max_tokens)
        proof = collect_cases(
            checkpoint,
            tokenizer,
            # Not kept in a variable: its memory is free again when the session is made.
            reference=_load_reference(checkpoint, options.reference),
            prompts=options.prompts,
            max_tokens=max_tokens,
            progress=progress,
        )
        report = measure(
            OnnxCpuEngine(model, file=MODEL_FILE, precision="fp32"),
            proof.cases,
            temperature=temperature,
            thresholds=thresholds,
            pad_token_id=checkpoint.config.pad_token_id,
            reference=proof.reference or "numpy",
            band=FP32_LIMITS.band,
        )
        gate(report, FP32_LIMITS, temperature=temperature)

        parity: ParityNumbers | None = report.numbers if proof.reference is not None else None
        engines = (EngineFile(kind="onnx", file=MODEL_FILE, precision="fp32", parity=parity),)
        (staged / "golden.jsonl").write_text(dump_golden(proof.golden_prompts(temperature)), encoding="utf-8")
        name = options.name or checkpoint.router.name or Path(checkpoint.source).name
        card = bundle_card(
            name=name,
            labels=checkpoint.router.labels,
            calibration=calibration,
            thresholds=thresholds,
            default_profile=checkpoint.router.default_profile,
            engines=engines,
            checkpoint=checkpoint.source,
            training_card=checkpoint.training_card,
        )
        (staged / "README.md").write_text(card, encoding="utf-8")
        manifest = write_manifest(
            checkpoint,
            staged,
            name=name,
            calibration=calibration,
            thresholds=thresholds,
            engines=engines,
            max_tokens=max_tokens,
        )
    return Exported(manifest, report)


def verify_onnx(
    checkpoint: Checkpoint,
    source: str,
    *,
    prompts: Sequence[str] | None = None,
    progress: ProgressCallback | None = None,
) -> ParityReport:
    """Compare an existing bundle with PyTorch on this machine.

    Raises:
        ParityError: they differ.
        MissingExtraError: torch or transformers is not installed.
        BundleNotFoundError, BundleCorruptError, SchemaError: the bundle cannot be read.
    """
    bundle = open_bundle(source)
    bundle.check()
    manifest = bundle.manifest
    proof = collect_cases(
        checkpoint,
        PromptTokenizer(bundle.read("tokenizer.json"), max_tokens=manifest.max_tokens),
        reference=Reference(checkpoint),
        prompts=prompts,
        max_tokens=manifest.max_tokens,
        progress=progress,
    )
    report = measure(
        choose_engine(bundle, engine="onnx-cpu", precision="fp32"),
        proof.cases,
        temperature=manifest.calibration.temperature,
        thresholds=manifest.thresholds,
        pad_token_id=manifest.pad_token_id,
        reference=proof.reference or "",
        band=FP32_LIMITS.band,
    )
    gate(report, FP32_LIMITS, temperature=manifest.calibration.temperature)
    return report


def _calibration(checkpoint: Checkpoint, options: ExportOptions) -> Calibration:
    router = checkpoint.router
    if options.temperature is not None:
        return Calibration(temperature=options.temperature, folded=True, source="given at export")
    if router.temperature is not None:
        return Calibration(
            temperature=router.temperature,
            folded=True,
            source="router_config.json of the checkpoint",
            ece_before=router.ece_before,
            ece_after=router.ece_after,
        )
    return Calibration(temperature=1.0, folded=True, source="not calibrated, the checkpoint states none")


def _load_reference(checkpoint: Checkpoint, choice: ReferenceChoice) -> Reference | None:
    if choice is ReferenceChoice.NONE or (choice is ReferenceChoice.AUTO and not reference_available()):
        return None
    return Reference(checkpoint)
