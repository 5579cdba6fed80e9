"""checkpoint -> folded weights -> ONNX -> parity gate -> bundle."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from vibe_router.bundle.manifest import MANIFEST_NAME, Calibration, EngineFile, Manifest
from vibe_router.engines.onnx.cpu import OnnxCpuEngine
from vibe_router.engines.protocol import Engine
from vibe_router.policy import LOW_PRECISION_BAND
from vibe_router.progress import ProgressCallback
from vibe_router.text.tokenizer import PromptTokenizer
from vibe_router_export.assemble import calibrated_thresholds, declare_data_files, write_manifest, write_model_files
from vibe_router_export.card import bundle_card
from vibe_router_export.checkpoint.checkpoint import Checkpoint
from vibe_router_export.emit.onnx.file import remove_onnx, write_onnx
from vibe_router_export.emit.onnx.graph import build_onnx
from vibe_router_export.emit.quantize import Precision
from vibe_router_export.fold.folds import centre_residual, fold_temperature
from vibe_router_export.proof.cases import ProofCases, collect_cases, score_with_graph, spread
from vibe_router_export.proof.golden import dump_golden
from vibe_router_export.proof.parity import FP32_LIMITS, Case, ParityReport, gate, limits_for, measure
from vibe_router_export.proof.reference import Reference, reference_available
from vibe_router_export.recipes.half_precision_export import export_half_precision
from vibe_router_export.recipes.low_precision import LowPrecisionExporter, LowPrecisionFile
from vibe_router_export.recipes.low_precision_onnx import OnnxRecipe, spiking_matrices
from vibe_router_tools.atomic.write import staged_folder

MODEL_FILE = "onnx/model.onnx"
# The names under which transformers.js and optimum look for these precisions.
MODEL_FILES = {
    Precision.FP32: MODEL_FILE,
    Precision.FP16: "onnx/model_fp16.onnx",
    Precision.INT8: "onnx/model_quantized.onnx",
    Precision.INT4: "onnx/model_q4.onnx",
}


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
    precisions: Sequence[Precision] = (Precision.FP32,)
    prompts: Sequence[str] | None = None
    band: float = LOW_PRECISION_BAND
    max_flips: int = 0
    overwrite: bool = False


@dataclass(frozen=True)
class Exported:
    """The manifest that was written, and the comparisons that allowed it.

    `report` is that of the fp32 graph with the reference, which comes first whatever precisions were asked for;
    `proof` is what it was made on.
    """

    manifest: Manifest
    report: ParityReport
    proof: ProofCases
    low_precision: tuple[LowPrecisionFile, ...] = ()


def export_onnx(
    checkpoint: Checkpoint,
    bundle: Path,
    *,
    options: ExportOptions,
    progress: ProgressCallback | None = None,
) -> Exported:
    """Write a bundle with a graph for each of `options.precisions`. Nothing stands at `bundle` unless all passed.

    Without a reference the fp32 graph is still compared with the numpy emitter on the golden prompts, and the
    manifest says that nothing is proven (`parity` null). Graphs in low precision are compared with the reference on
    the golden prompts and 240 others, and with the fp32 graph, once that has passed, on the rest of the prompts.

    Raises:
        ParityError: a graph does not decide as the reference does.
        UsageError: `bundle` exists and `options.overwrite` is not set or it is no bundle, or a setting is out of
            range.
        VibeRouterError: the disk is full.
        MissingExtraError: the reference was asked for and is not installed.
        CheckpointError: the checkpoint's tokenizer files cannot be read.
    """
    calibration = _calibration(checkpoint, options)
    temperature = calibration.temperature
    thresholds = calibrated_thresholds(options.profiles or checkpoint.router.profiles, temperature)
    max_tokens = min(options.max_tokens, checkpoint.config.max_positions)
    low = [precision for precision in Precision if precision in options.precisions and precision is not Precision.FP32]
    with staged_folder(bundle, replace=MANIFEST_NAME if options.overwrite else None) as staged:
        write_model_files(checkpoint, staged, max_tokens=max_tokens)
        model = staged / MODEL_FILE
        model.parent.mkdir()
        folded = fold_temperature(checkpoint.weights, temperature)
        centred = centre_residual(folded)
        write_onnx(build_onnx(centred, max_tokens=max_tokens), model)

        tokenizer = PromptTokenizer((staged / "tokenizer.json").read_bytes(), max_tokens=max_tokens)
        proof = collect_cases(
            checkpoint,
            tokenizer,
            # Not kept in a variable: its memory is free again when the session is made.
            reference=load_reference(checkpoint, options.reference),
            prompts=spread(options.prompts) if low and options.prompts is not None else options.prompts,
            max_tokens=max_tokens,
            progress=progress,
        )

        def compare(engine: Engine, cases: Sequence[Case], against: str, band: float) -> ParityReport:
            return measure(
                engine,
                cases,
                temperature=temperature,
                thresholds=thresholds,
                reference=against,
                band=band,
            )

        pad = checkpoint.config.pad_token_id
        fp32 = OnnxCpuEngine(model, file=MODEL_FILE, precision=Precision.FP32.value, pad_token_id=pad)
        report = compare(fp32, proof.cases, proof.name(), FP32_LIMITS.band)
        gate(report, FP32_LIMITS, temperature=temperature)
        further = proof.left_out(options.prompts or ())
        more = score_with_graph(fp32, tokenizer, further, temperature=temperature, progress=progress)
        fp32.close()

        against = proof.name(more)
        exporter = LowPrecisionExporter(
            weights=centred,
            max_tokens=max_tokens,
            cases=proof.cases + more,
            judge=lambda engine, chosen: compare(engine, chosen, against, options.band),
            limits=limits_for(Precision.INT8, band=options.band, max_flips=options.max_flips),
            temperature=temperature,
            progress=progress,
        )
        half = replace(
            exporter, weights=folded, limits=limits_for(Precision.FP16, band=options.band, max_flips=options.max_flips)
        )
        spiking = spiking_matrices(exporter) if set(low) - {Precision.FP16} else ()
        graphs = tuple(
            export_half_precision(half, staged / MODEL_FILES[one], file=MODEL_FILES[one])
            if one is Precision.FP16
            else exporter.export(OnnxRecipe(one, spiking), staged / MODEL_FILES[one], file=MODEL_FILES[one])
            for one in low
        )
        if Precision.FP32 not in options.precisions:
            remove_onnx(model)
        declare_data_files(staged)
        engines = _engine_files(report, graphs, precisions=options.precisions, proven=proof.reference is not None)
        (staged / "golden.jsonl").write_text(dump_golden(proof.golden_prompts(temperature)), encoding="utf-8")
        name = options.name or checkpoint.router.name or Path(checkpoint.source).name
        card = bundle_card(
            name=name,
            labels=checkpoint.router.labels,
            calibration=calibration,
            thresholds=thresholds,
            default_profile=checkpoint.router.default_profile,
            engines=engines,
            kept=[(graph.file, matrix) for graph in graphs for matrix in graph.kept],
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
    return Exported(manifest, report, proof, graphs)


def _engine_files(
    report: ParityReport, graphs: Sequence[LowPrecisionFile], *, precisions: Collection[Precision], proven: bool
) -> tuple[EngineFile, ...]:
    """Return the manifest's entries, fp32 first where it was asked for."""
    rows = [(MODEL_FILE, Precision.FP32, report)] if Precision.FP32 in precisions else []
    rows += [(graph.file, graph.precision, graph.report) for graph in graphs]
    return tuple(
        EngineFile(kind="onnx", file=file, precision=precision.value, parity=one.numbers if proven else None)
        for file, precision, one in rows
    )


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


def load_reference(checkpoint: Checkpoint, choice: ReferenceChoice) -> Reference | None:
    """Return what to prove against; None: nothing.

    Raises:
        MissingExtraError: TRANSFORMERS was asked for and is not installed.
    """
    if choice is ReferenceChoice.NONE or (choice is ReferenceChoice.AUTO and not reference_available()):
        return None
    return Reference(checkpoint)
