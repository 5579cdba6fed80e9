"""Results of the commands as JSON values and as text: an export, a comparison, a checkpoint."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vibe_router.bundle.manifest import Manifest, ParityNumbers
from vibe_router_export.checkpoint.checkpoint import Checkpoint
from vibe_router_export.checkpoint.weights import expected_shapes
from vibe_router_export.export import Added, Exported
from vibe_router_export.lint_report import lint_summary
from vibe_router_export.recipes.recipe import WrittenFile

if TYPE_CHECKING:
    from vibe_router_export.recipes.coreml import CoreMLFile


def export_summary(bundle: Path, exported: Exported) -> dict[str, Any]:
    """Return an export's result as JSON values."""
    manifest, report = exported.manifest, exported.report
    return {
        "bundle": str(bundle),
        "name": manifest.name,
        "temperature": manifest.calibration.temperature,
        "temperature_source": manifest.calibration.source,
        "proven": _proven(exported),
        "parity": asdict(report.numbers),
        "worst_prompt": report.worst.prompt,
        "low_precision": [_low_precision_summary(graph) for graph in exported.low_precision],
        "bytes": {name: entry.bytes for name, entry in manifest.files.items()},
        "thresholds": {name: asdict(threshold) for name, threshold in manifest.thresholds.items()},
    }


def export_text(bundle: Path, exported: Exported) -> str:
    """Return an export's result for people."""
    manifest = exported.manifest
    size = sum(entry.bytes for entry in manifest.files.values())
    lines = [
        f"{bundle}: {manifest.name}, {size / 1e6:.1f} MB in {len(manifest.files) + 1} files",
        f"temperature  {manifest.calibration.temperature:g} ({manifest.calibration.source})",
        parity_text(exported.report.numbers, proven=_proven(exported)),
    ]
    for graph in exported.low_precision:
        lines += _low_precision_lines(graph)
    for profile, threshold in manifest.thresholds.items():
        default = " (default)" if profile == manifest.default_profile else ""
        lines.append(f"{profile:<12} raw {threshold.raw:.4f}  calibrated {threshold.calibrated:.4f}{default}")
    return "\n".join(lines)


def native_summary(bundle: Path, exported: Added[WrittenFile]) -> dict[str, Any]:
    """Return an export's result as JSON values."""
    manifest, file = exported.manifest, exported.written.entry.file
    return {
        "bundle": str(bundle),
        "name": manifest.name,
        "bytes": manifest.files[file].bytes,
        "temperature": manifest.calibration.temperature,
        "proven": _has_parity(manifest, file),
        **_low_precision_summary(exported.written),
    }


def native_text(bundle: Path, exported: Added[WrittenFile]) -> str:
    """Return an export's result for people."""
    manifest, file = exported.manifest, exported.written.entry.file
    lines = [
        f"{bundle}: {file}, {manifest.files[file].bytes / 1e6:.1f} MB",
        f"parity       {_verdict(proven=_has_parity(manifest, file))}",
        *_low_precision_lines(exported.written),
    ]
    return "\n".join(lines)


def coreml_summary(bundle: Path, exported: Added[CoreMLFile]) -> dict[str, Any]:
    """Return an export's result as JSON values."""
    return {
        "bundle": str(bundle),
        "name": exported.manifest.name,
        "file": exported.written.entry.file,
        "bytes": _bytes(exported),
        "temperature": exported.manifest.calibration.temperature,
        "residual_scale": exported.written.residual_scale,
        "proven": _has_parity(exported.manifest, exported.written.entry.file),
        "parity": asdict(exported.written.report.numbers),
        "pessimistic_parity": asdict(exported.written.pessimistic.numbers),
        "worst_prompt": exported.written.report.worst.prompt,
        "placement": [lint_summary(report) for report in exported.written.placement],
    }


def coreml_text(bundle: Path, exported: Added[CoreMLFile]) -> str:
    """Return an export's result for people."""
    numbers, rough = exported.written.report.numbers, exported.written.pessimistic.numbers
    proven = _verdict(proven=_has_parity(exported.manifest, exported.written.entry.file))
    return (
        f"{bundle}: {exported.written.entry.file}, {_bytes(exported) / 1e6:.1f} MB\n"
        f"residual     scaled by {exported.written.residual_scale:g}\n"
        f"parity       {proven}\n"
        f"             {numbers.prompts} prompts, interpreted in fp16, against {numbers.reference}\n"
        f"             max |dlogit| {numbers.max_abs_logit_difference:.2e}   "
        f"max |dp| {numbers.max_abs_probability_difference:.2e}   decision flips {numbers.flips} "
        f"({numbers.flips_outside_band} outside the band)\n"
        f"             with sums in fp16 too, {rough.prompts} prompts: max |dp| "
        f"{rough.max_abs_probability_difference:.2e}\n"
        f"placement    {sum(len(report.violations) for report in exported.written.placement)} violations\n"
        "speed        not measured: Core ML runs on Macs"
    )


def parity_text(numbers: ParityNumbers, *, proven: bool) -> str:
    """Return a comparison for people; `proven` is False where the reference was not PyTorch."""
    return (
        f"parity       {_verdict(proven=proven)}\n"
        f"             {numbers.prompts} prompts, alone and in padded batches, against {numbers.reference}\n"
        f"             max |dlogit| {numbers.max_abs_logit_difference:.2e}   "
        f"max |dp| {numbers.max_abs_probability_difference:.2e}   decision flips {numbers.flips}"
    )


def checkpoint_summary(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return what a checkpoint is, as JSON values."""
    config = checkpoint.config
    local = [layer for layer in config.layers if layer.window is not None]
    return {
        "checkpoint": checkpoint.source,
        "sha256": checkpoint.sha256,
        "parameters": sum(math.prod(shape) for shape in expected_shapes(config).values()),
        "vocabulary": config.vocabulary_size,
        "layers": len(config.layers),
        "local layers": len(local),
        "window": local[0].window if local else None,
        "hidden": config.hidden_size,
        "intermediate": config.intermediate_size,
        "heads": config.heads,
        "pooling": config.pooling.value,
        "temperature": checkpoint.router.temperature,
        "profiles": dict(checkpoint.router.profiles),
    }


def _verdict(*, proven: bool) -> str:
    """Return in words whether the reference was PyTorch."""
    return (
        "proven"
        if proven
        else "unproven: install torch and transformers (extra reference) and export again to prove it"
    )


def _has_parity(manifest: Manifest, file: str) -> bool:
    """Return whether the manifest has figures of a comparison of `file` with PyTorch."""
    return any(engine.file == file and engine.parity is not None for engine in manifest.engines)


def _low_precision_summary(written: WrittenFile) -> dict[str, Any]:
    """Return what was measured for a file in low precision, and what it keeps, as JSON values."""
    return {
        "file": written.entry.file,
        "precision": written.entry.precision,
        "parity": asdict(written.report.numbers),
        "worst_prompt": written.report.worst.prompt,
        "kept": [asdict(one) | {"precision": one.precision.value} for one in written.kept],
    }


def _low_precision_lines(graph: WrittenFile) -> list[str]:
    """Return the same for people."""
    numbers = graph.report.numbers
    profiles = ", ".join(f"{name} {count}" for name, count in (numbers.flips_by_profile or {}).items())
    return [
        f"{graph.entry.precision:<12} {graph.entry.file}: {numbers.prompts} prompts, against {numbers.reference}",
        f"             max |dp| {numbers.max_abs_probability_difference:.2e}   "
        f"99th percentile {numbers.percentile_99_abs_probability_difference:.2e}",
        f"             decision flips {profiles}; outside the band of {numbers.band:g}: {numbers.flips_outside_band}",
        *(f"             kept in {one.precision.value}: {one.name}; {one.reason}" for one in graph.kept),
    ]


def _proven(exported: Exported) -> bool:
    return all(engine.parity is not None for engine in exported.manifest.engines)


def _bytes(exported: Added[CoreMLFile]) -> int:
    files = exported.manifest.files.items()
    return sum(entry.bytes for name, entry in files if name.startswith(f"{exported.written.entry.file}/"))
