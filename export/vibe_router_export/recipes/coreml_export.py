"""checkpoint -> folded weights -> Core ML packages -> decision gate -> bundle.

Core ML runs on Macs only, so the gate runs the saved packages in the project's own interpreter. What a Mac measures is
for `vibe-router verify --report` there.
"""

from __future__ import annotations

import importlib.metadata
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vibe_router.bundle.manifest import EngineFile, Manifest
from vibe_router.errors import UsageError, VibeRouterError
from vibe_router.progress import ProgressCallback
from vibe_router_export.bundle_addition import Addition, addition, open_existing
from vibe_router_export.checkpoint.checkpoint import Checkpoint
from vibe_router_export.coreml_card import coreml_section
from vibe_router_export.emit.coreml.lint import LintReport, lint
from vibe_router_export.emit.coreml.package import write_packages
from vibe_router_export.fold.folds import fold_temperature
from vibe_router_export.fold.half_precision import HalfPrecisionFolds, choose_residual_scale, fold_for_half_precision
from vibe_router_export.observe.residual_scale import measured_norm_inputs
from vibe_router_export.onnx_export import ReferenceChoice
from vibe_router_export.proof.coreml_gate import CoreMLParity, gate_packages
from vibe_router_export.proof.mil_interpreter.package import read_package
from vibe_router_export.recipes.coreml_options import Layout, Target, WeightFormat


@dataclass(frozen=True, kw_only=True)
class CoreMLOptions:
    """What the caller may decide. `lengths` are the sequence lengths to make functions for."""

    lengths: Sequence[int] = (64, 128, 256, 512)
    target: Target = Target.MACOS15
    layout: Layout = Layout.ANE
    weight_format: WeightFormat = WeightFormat.FP16
    reference: ReferenceChoice = ReferenceChoice.AUTO
    prompts: Sequence[str] | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class CoreMLExported:
    """What was written, and the comparisons that allowed it."""

    manifest: Manifest
    file: str
    parity: CoreMLParity
    residual_scale: float
    placement: tuple[LintReport, ...]


def export_coreml(
    checkpoint: Checkpoint, bundle: Path, *, options: CoreMLOptions, progress: ProgressCallback | None = None
) -> CoreMLExported:
    """Add Core ML packages to a bundle of this checkpoint, or make one, with its ONNX graph, where there is none.

    The bundle at `bundle` is replaced by a whole new one, or stays as it was.

    Raises:
        ParityError: the packages do not decide as the reference does, or overflow.
        VibeRouterError: a package for the Neural Engine breaks a rule of placement.
        UsageError: lengths that make no sense, a bundle of another checkpoint, one that has these packages
            already and `options.overwrite` is not set, or one that is changed by somebody else meanwhile.
        MissingExtraError: the reference was asked for and is not installed.
        BundleCorruptError, SchemaError: the bundle that is there cannot be read.
    """
    lengths = sorted(set(options.lengths))
    if not lengths or lengths[0] < 8 or lengths[-1] > checkpoint.config.max_positions:
        raise UsageError(
            f"lengths {list(options.lengths)} are not all between 8 and {checkpoint.config.max_positions}",
            hint="for example --lengths 64,128,256,512",
        )
    file = _bundle_file(options.target, options.weight_format)
    existing = open_existing(bundle, checkpoint, file, overwrite=options.overwrite)
    if existing is not None and existing.manifest.max_tokens != lengths[-1]:
        max_tokens = existing.manifest.max_tokens
        raise UsageError(
            f"the longest length is {lengths[-1]}, the bundle's prompts have up to {max_tokens} tokens",
            hint=f"let the lengths end with {max_tokens}",
        )
    with addition(
        checkpoint,
        bundle,
        existing,
        max_tokens=lengths[-1],
        reference=options.reference,
        prompts=options.prompts,
        progress=progress,
    ) as added:
        return _add(checkpoint, added, file, lengths, options=options)


def _bundle_file(target: Target, weight_format: WeightFormat) -> str:
    """Return where a bundle keeps its packages: the one package, or the folder of a package a length."""
    suffix = "" if weight_format is WeightFormat.FP16 else f"-{weight_format.value}"
    return f"coreml/VibeRouter{suffix}.mlpackage" if target is Target.MACOS15 else f"coreml/macos14{suffix}"


def _add(
    checkpoint: Checkpoint, added: Addition, file: str, lengths: list[int], *, options: CoreMLOptions
) -> CoreMLExported:
    manifest, proof = added.manifest, added.proof
    weights = fold_temperature(checkpoint.weights, manifest.calibration.temperature)
    prompts = [case.ids for case in proof.cases]
    scale = choose_residual_scale(measured_norm_inputs(weights, prompts).sum_of_squares)
    weights = fold_for_half_precision(weights, HalfPrecisionFolds(residual_scale=scale))

    place = added.folder / file
    shutil.rmtree(place, ignore_errors=True)
    folder = place.parent if options.target is Target.MACOS15 else place
    folder.mkdir(parents=True, exist_ok=True)
    packages = write_packages(
        weights,
        folder,
        lengths=lengths,
        layout=options.layout,
        target=options.target,
        weight_format=options.weight_format,
    )

    placement = tuple(lint(read_package(package)) for package in packages)
    if options.layout is Layout.ANE:
        _check_placement(placement)
    parity = gate_packages(
        packages,
        proof,
        manifest,
        file=file,
        weight_format=options.weight_format,
        every_prompt=options.prompts is not None,
    )

    proven = parity.half.numbers if proof.reference is not None else None
    entry = EngineFile(kind="coreml", file=file, precision=options.weight_format.value, parity=proven)
    section = coreml_section(file, lengths, parity, target=options.target)
    versions = {"coremltools": importlib.metadata.version("coremltools")}
    return CoreMLExported(added.enter(entry, section=section, versions=versions), file, parity, scale, placement)


def _check_placement(placement: Sequence[LintReport]) -> None:
    violations = [violation for report in placement for violation in report.violations]
    if violations:
        first = violations[0]
        raise VibeRouterError(
            f"{len(violations)} operations would leave the Neural Engine, the first {first.operation} "
            f"({first.detail}): {first.rule.value}",
            hint="nothing was written; export with --layout gpu, or fewer tokens",
        )
