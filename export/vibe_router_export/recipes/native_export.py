"""checkpoint -> folded weights -> the native engine's file -> decision gate -> bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vibe_router.bundle.bundle import open_bundle
from vibe_router.bundle.manifest import EngineFile, Manifest
from vibe_router.engines.choice import EngineChoice
from vibe_router.engines.native.library import require_native
from vibe_router.engines.select import is_proven, load_engine
from vibe_router.policy import LOW_PRECISION_BAND
from vibe_router.progress import ProgressCallback
from vibe_router.text.tokenizer import PromptTokenizer
from vibe_router_export.bundle_addition import Addition, addition, open_existing
from vibe_router_export.checkpoint.checkpoint import Checkpoint
from vibe_router_export.emit.native.file import NATIVE_FILE, native_architecture
from vibe_router_export.emit.native.router_file import complete_router_file
from vibe_router_export.emit.quantize import Precision
from vibe_router_export.fold.folds import fold_temperature
from vibe_router_export.native_card import native_section
from vibe_router_export.onnx_export import ExportOptions, ReferenceChoice
from vibe_router_export.proof.cases import compare, score_with_graph, spread
from vibe_router_export.proof.parity import FP32_LIMITS, Case, gate, limits_for
from vibe_router_export.proof.verify import ONNX_ENGINE
from vibe_router_export.recipes.low_precision import LowPrecisionExporter, LowPrecisionFile
from vibe_router_export.recipes.low_precision_native import NativeRecipe


@dataclass(frozen=True, kw_only=True)
class NativeOptions:
    """What the caller may decide."""

    reference: ReferenceChoice = ReferenceChoice.AUTO
    prompts: Sequence[str] | None = None
    band: float = LOW_PRECISION_BAND
    max_flips: int = 0
    overwrite: bool = False


@dataclass(frozen=True)
class NativeExported:
    """The manifest that was written, and the comparison that allowed it."""

    manifest: Manifest
    written: LowPrecisionFile


def export_native(
    checkpoint: Checkpoint, folder: Path, *, options: NativeOptions, progress: ProgressCallback | None = None
) -> NativeExported:
    """Add the native engine's file to a bundle of this checkpoint; where there is none, make one with an ONNX graph.

    The file is compared with the reference on the golden prompts and 240 of `options.prompts`, and on the rest of them
    with the bundle's fp32 graph, once that is proven; where there is no such graph, the reference scores them all. The
    bundle at `folder` is replaced by a whole new one, or stays as it was.

    Raises:
        EngineUnavailableError: the native engine cannot run here, so that nothing could be measured.
        CheckpointError: the native engine cannot run such a model.
        ParityError: the file does not decide as the reference does.
        UsageError: a bundle of another checkpoint, one that has this file already and `options.overwrite` is not set,
            or one that is changed by somebody else meanwhile.
        MissingExtraError: the reference was asked for and is not installed.
        BundleCorruptError, SchemaError: the bundle that is there cannot be read.
    """
    require_native()
    existing = open_existing(folder, checkpoint, NATIVE_FILE, overwrite=options.overwrite)
    max_tokens = min(ExportOptions.max_tokens, checkpoint.config.max_positions)
    # For its errors, before the reference takes minutes.
    native_architecture(checkpoint.weights, max_tokens=max_tokens)
    with_graph = existing is None or _fp32_graph(existing.manifest) is not None
    prompts = options.prompts
    with addition(
        checkpoint,
        folder,
        existing,
        max_tokens=max_tokens,
        reference=options.reference,
        prompts=spread(prompts) if prompts is not None and with_graph else prompts,
        progress=progress,
    ) as added:
        return _add(checkpoint, added, options=options, progress=progress)


def _fp32_graph(manifest: Manifest) -> EngineFile | None:
    return next((one for one in manifest.engines if (one.kind, one.precision) == ("onnx", Precision.FP32.value)), None)


def _add(
    checkpoint: Checkpoint, added: Addition, *, options: NativeOptions, progress: ProgressCallback | None
) -> NativeExported:
    manifest, proof = added.manifest, added.proof
    temperature = manifest.calibration.temperature
    more = _scored_by_graph(added, proof.left_out(options.prompts or ()), progress=progress)
    exporter = LowPrecisionExporter(
        weights=fold_temperature(checkpoint.weights, temperature),
        max_tokens=manifest.max_tokens,
        cases=proof.cases + more,
        judge=lambda engine, cases: compare(manifest, engine, cases, reference=proof.name(more), band=options.band),
        limits=limits_for(Precision.INT8, band=options.band, max_flips=options.max_flips),
        temperature=temperature,
        progress=progress,
    )
    written = exporter.export(NativeRecipe(), added.folder / NATIVE_FILE, file=NATIVE_FILE)
    complete_router_file(
        added.folder / NATIVE_FILE,
        manifest=manifest,
        tokenizer_json=(added.folder / "tokenizer.json").read_bytes(),
        prompts=[case.prompt for case in proof.cases[: proof.golden]],
    )
    proven = written.report.numbers if proof.reference is not None else None
    entry = EngineFile(kind="native", file=NATIVE_FILE, precision=written.precision.value, parity=proven)
    return NativeExported(added.enter(entry, section=native_section(entry, written.kept), versions={}), written)


def _scored_by_graph(added: Addition, prompts: Sequence[str], *, progress: ProgressCallback | None) -> tuple[Case, ...]:
    """Return cases of `prompts` that the fp32 graph has scored, which passes its gate first unless it is proven."""
    graph = _fp32_graph(added.manifest)
    if graph is None or not prompts:
        return ()
    manifest, proof = added.manifest, added.proof
    temperature = manifest.calibration.temperature
    bundle = open_bundle(added.folder)
    tokenizer = PromptTokenizer(bundle.read("tokenizer.json"), max_tokens=manifest.max_tokens)
    engine = load_engine(bundle, EngineChoice(engine=ONNX_ENGINE, precision=graph.precision))
    try:
        if not is_proven(graph):
            report = compare(manifest, engine, proof.cases, reference=proof.name(), band=FP32_LIMITS.band)
            gate(report, FP32_LIMITS, temperature=temperature)
        return score_with_graph(engine, tokenizer, prompts, temperature=temperature, progress=progress)
    finally:
        engine.close()
