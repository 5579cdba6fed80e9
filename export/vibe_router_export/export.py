"""From a checkpoint to a bundle: fold, emit, prove, and put it in its place."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic

from vibe_router.bundle.bundle import Bundle
from vibe_router.bundle.manifest import Manifest
from vibe_router.engines.native.library import require_native
from vibe_router.errors import UsageError
from vibe_router.policy import LOW_PRECISION_BAND
from vibe_router.progress import ProgressCallback
from vibe_router_export.checkpoint.checkpoint import Checkpoint
from vibe_router_export.choices import Layout, Precision, ReferenceChoice, Target, WeightFormat
from vibe_router_export.draft import Draft, DraftSettings, copied_draft, fp32_graph, new_draft, open_existing
from vibe_router_export.emit.coreml.quiet import quiet_coremltools
from vibe_router_export.emit.native.file import NATIVE_FILE, native_architecture
from vibe_router_export.first_manifest import NO_CLAIMS, Claims
from vibe_router_export.fold.significant_bits import ALL_BITS
from vibe_router_export.proof.cases import spread
from vibe_router_export.proof.parity import ParityReport
from vibe_router_export.recipes.full_precision import FullPrecisionRecipe
from vibe_router_export.recipes.half_precision import HalfPrecisionRecipe
from vibe_router_export.recipes.low_precision import LowPrecisionRecipe
from vibe_router_export.recipes.low_precision_native import NativeFormat
from vibe_router_export.recipes.low_precision_onnx import OnnxFormat, spiking_matrices
from vibe_router_export.recipes.recipe import FileT, Recipe, Tolerance, WrittenFile

if TYPE_CHECKING:
    from vibe_router_export.recipes.coreml import CoreMLFile


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """The caller's choices about an ONNX bundle, and `claims`, what its card is to say."""

    claims: Claims = NO_CLAIMS
    max_tokens: int = DraftSettings.max_tokens
    reference: ReferenceChoice = ReferenceChoice.AUTO
    precisions: Sequence[Precision] = (Precision.FP32,)
    prompts: Sequence[str] | None = None
    band: float = LOW_PRECISION_BAND
    max_flips: int = 0
    overwrite: bool = False
    significant_bits: int = ALL_BITS


@dataclass(frozen=True, kw_only=True)
class NativeOptions:
    """The caller's choices about the native engine's file; `claims` are for a new bundle."""

    claims: Claims = NO_CLAIMS
    reference: ReferenceChoice = ReferenceChoice.AUTO
    prompts: Sequence[str] | None = None
    band: float = LOW_PRECISION_BAND
    max_flips: int = 0
    overwrite: bool = False


@dataclass(frozen=True, kw_only=True)
class CoreMLOptions:
    """The caller's choices about Core ML packages. `lengths` are the numbers of tokens to make functions for.

    `claims` are for a new bundle.
    """

    claims: Claims = NO_CLAIMS
    lengths: Sequence[int] = (64, 128, 256, 512)
    target: Target = Target.MACOS15
    layout: Layout = Layout.ANE
    weight_format: WeightFormat = WeightFormat.FP16
    reference: ReferenceChoice = ReferenceChoice.AUTO
    prompts: Sequence[str] | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class Exported:
    """The manifest of a new bundle, and the comparisons that allowed it.

    `report` is that of the fp32 graph with the reference, which comes first whatever precisions were asked for.
    """

    manifest: Manifest
    report: ParityReport
    low_precision: tuple[WrittenFile, ...] = ()


@dataclass(frozen=True)
class Added(Generic[FileT]):
    """The manifest of a bundle and the file that was added to it."""

    manifest: Manifest
    written: FileT


def export_onnx(
    checkpoint: Checkpoint, bundle: Path, *, options: ExportOptions, progress: ProgressCallback | None = None
) -> Exported:
    """Write a bundle with a graph for each of `options.precisions`. Nothing is at `bundle` unless all passed.

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
    low = [precision for precision in Precision if precision in options.precisions and precision is not Precision.FP32]
    settings = DraftSettings(
        claims=options.claims,
        max_tokens=options.max_tokens,
        reference=options.reference,
        prompts=spread(options.prompts) if low and options.prompts is not None else options.prompts,
    )
    with new_draft(checkpoint, bundle, settings, overwrite=options.overwrite, progress=progress) as draft:
        fp32 = draft.add(FullPrecisionRecipe(options.significant_bits))
        draft.score_with_graph(options.prompts or ())
        tolerance = Tolerance(band=options.band, max_flips=options.max_flips)
        files = tuple([draft.add(recipe) for recipe in _low_precision_recipes(draft, low, tolerance)])
        if Precision.FP32 not in options.precisions:
            draft.remove(fp32)
        return Exported(draft.finish(), fp32.report, files)


def export_native(
    checkpoint: Checkpoint, folder: Path, *, options: NativeOptions, progress: ProgressCallback | None = None
) -> Added[WrittenFile]:
    """Add the native engine's file to a bundle of this checkpoint; if there is none, make one with an ONNX graph.

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
    max_tokens = min(DraftSettings.max_tokens, checkpoint.config.max_positions)
    # For its errors, before the reference takes minutes.
    native_architecture(checkpoint.weights, max_tokens=max_tokens)
    prompts = options.prompts
    with_graph = existing is None or fp32_graph(existing.manifest.engines) is not None
    settings = DraftSettings(
        claims=options.claims,
        max_tokens=max_tokens,
        reference=options.reference,
        prompts=spread(prompts) if prompts is not None and with_graph else prompts,
    )
    with _draft(checkpoint, folder, existing, settings, progress) as draft:
        draft.score_with_graph(prompts or ())
        tolerance = Tolerance(band=options.band, max_flips=options.max_flips)
        written = draft.add(LowPrecisionRecipe(NativeFormat(), tolerance))
        return Added(draft.finish(), written)


def export_coreml(
    checkpoint: Checkpoint, folder: Path, *, options: CoreMLOptions, progress: ProgressCallback | None = None
) -> Added[CoreMLFile]:
    """Add Core ML packages to a bundle of this checkpoint; if there is none, make one with an ONNX graph.

    The bundle at `folder` is replaced by a whole new one, or stays as it was.

    Raises:
        ParityError: the packages do not decide as the reference does, or overflow.
        VibeRouterError: a package for the Neural Engine breaks a rule of placement.
        UsageError: lengths that make no sense, a bundle of another checkpoint, one that has these packages
            already and `options.overwrite` is not set, or one that is changed by somebody else meanwhile.
        MissingExtraError: the reference was asked for and is not installed.
        BundleCorruptError, SchemaError: the bundle that is there cannot be read.
    """
    # Imported only here: every other export works without coremltools, which greets with warnings.
    with quiet_coremltools():
        from vibe_router_export.recipes.coreml import CoreMLRecipe

    recipe = CoreMLRecipe(
        lengths=_checked_lengths(options.lengths, most=checkpoint.config.max_positions),
        target=options.target,
        layout=options.layout,
        weight_format=options.weight_format,
        every_prompt=options.prompts is not None,
    )
    existing = open_existing(folder, checkpoint, recipe.file, overwrite=options.overwrite)
    longest = recipe.lengths[-1]
    if existing is not None and existing.manifest.max_tokens != longest:
        max_tokens = existing.manifest.max_tokens
        raise UsageError(
            f"the longest length is {longest}, the bundle's prompts have up to {max_tokens} tokens",
            hint=f"let the lengths end with {max_tokens}",
        )
    settings = DraftSettings(
        claims=options.claims, max_tokens=longest, reference=options.reference, prompts=options.prompts
    )
    with _draft(checkpoint, folder, existing, settings, progress) as draft:
        written = draft.add(recipe)
        return Added(draft.finish(), written)


@contextlib.contextmanager
def _draft(
    checkpoint: Checkpoint,
    folder: Path,
    existing: Bundle | None,
    settings: DraftSettings,
    progress: ProgressCallback | None,
) -> Iterator[Draft]:
    """Yield a copy of `existing`, or a new bundle with the fp32 graph."""
    if existing is not None:
        copy = copied_draft(
            checkpoint,
            folder,
            existing,
            reference=settings.reference,
            prompts=settings.prompts,
            progress=progress,
        )
        with copy as draft:
            yield draft
        return
    with new_draft(checkpoint, folder, settings, progress=progress) as draft:
        draft.add(FullPrecisionRecipe())
        yield draft


def _low_precision_recipes(
    draft: Draft, precisions: Sequence[Precision], tolerance: Tolerance
) -> Iterator[Recipe[WrittenFile]]:
    spiking = spiking_matrices(draft.inputs) if set(precisions) - {Precision.FP16} else ()
    for precision in precisions:
        if precision is Precision.FP16:
            yield HalfPrecisionRecipe(tolerance)
        else:
            yield LowPrecisionRecipe(OnnxFormat(precision, spiking), tolerance)


def _checked_lengths(lengths: Sequence[int], *, most: int) -> list[int]:
    ascending = sorted(set(lengths))
    if not ascending or ascending[0] < 8 or ascending[-1] > most:
        raise UsageError(
            f"lengths {list(lengths)} are not all between 8 and {most}", hint="for example --lengths 64,128,256,512"
        )
    return ascending
