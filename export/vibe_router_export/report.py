"""What the commands print: the result of an export, of a comparison, of a look at a checkpoint."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vibe_router.bundle.manifest import Manifest, ParityNumbers
from vibe_router_export.checkpoint.checkpoint import Checkpoint
from vibe_router_export.checkpoint.weights import expected_shapes
from vibe_router_export.onnx_export import Exported
from vibe_router_export.recipes.low_precision import LowPrecisionFile


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
        "low_precision": [low_precision_summary(graph) for graph in exported.low_precision],
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
        lines += low_precision_lines(graph)
    for profile, threshold in manifest.thresholds.items():
        default = " (default)" if profile == manifest.default_profile else ""
        lines.append(f"{profile:<12} raw {threshold.raw:.4f}  calibrated {threshold.calibrated:.4f}{default}")
    return "\n".join(lines)


def parity_text(numbers: ParityNumbers, *, proven: bool) -> str:
    """Return a comparison for people; `proven` is False where the reference was not PyTorch."""
    return (
        f"parity       {verdict(proven=proven)}\n"
        f"             {numbers.prompts} prompts, alone and in padded batches, against {numbers.reference}\n"
        f"             max |dlogit| {numbers.max_abs_logit_difference:.2e}   "
        f"max |dp| {numbers.max_abs_probability_difference:.2e}   decision flips {numbers.flips}"
    )


def verdict(*, proven: bool) -> str:
    """Return in words whether the reference was PyTorch."""
    return "proven" if proven else "unproven: install vibe-router[reference] and export again to prove it"


def has_parity(manifest: Manifest, file: str) -> bool:
    """Return whether the manifest has figures of a comparison of `file` with PyTorch."""
    return any(engine.file == file and engine.parity is not None for engine in manifest.engines)


def low_precision_summary(written: LowPrecisionFile) -> dict[str, Any]:
    """Return what was measured for a file in low precision, and what it keeps, as JSON values."""
    return {
        "file": written.file,
        "precision": written.precision.value,
        "parity": asdict(written.report.numbers),
        "worst_prompt": written.report.worst.prompt,
        "kept": [asdict(one) | {"precision": one.precision.value} for one in written.kept],
    }


def low_precision_lines(graph: LowPrecisionFile) -> list[str]:
    """Return the same for people."""
    numbers = graph.report.numbers
    profiles = ", ".join(f"{name} {count}" for name, count in (numbers.flips_by_profile or {}).items())
    return [
        f"{graph.precision.value:<12} {graph.file}: {numbers.prompts} prompts, against {numbers.reference}",
        f"             max |dp| {numbers.max_abs_probability_difference:.2e}   "
        f"99th percentile {numbers.percentile_99_abs_probability_difference:.2e}",
        f"             decision flips {profiles}; outside the band of {numbers.band:g}: {numbers.flips_outside_band}",
        *(f"             kept in {one.precision.value}: {one.name}; {one.reason}" for one in graph.kept),
    ]


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


def _proven(exported: Exported) -> bool:
    return all(engine.parity is not None for engine in exported.manifest.engines)
