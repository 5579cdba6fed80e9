"""What `router-export coreml` prints."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from vibe_router_export.coreml_export import CoreMLExported


def coreml_summary(bundle: Path, exported: CoreMLExported) -> dict[str, Any]:
    """Return an export's result as JSON values."""
    return {
        "bundle": str(bundle),
        "name": exported.manifest.name,
        "file": exported.file,
        "bytes": _bytes(exported),
        "temperature": exported.manifest.calibration.temperature,
        "residual_scale": exported.residual_scale,
        "proven": _proven(exported),
        "parity": asdict(exported.report.numbers),
        "pessimistic_max_abs_probability_difference": exported.pessimistic,
        "worst_prompt": exported.report.worst.prompt,
    }


def coreml_text(bundle: Path, exported: CoreMLExported) -> str:
    """Return an export's result for people."""
    numbers = exported.report.numbers
    verdict = "proven" if _proven(exported) else "unproven: install vibe-router[reference] and export again"
    return (
        f"{bundle}: {exported.file}, {_bytes(exported) / 1e6:.1f} MB\n"
        f"residual     scaled by {exported.residual_scale:g}\n"
        f"parity       {verdict}\n"
        f"             {numbers.prompts} prompts, interpreted in fp16, against {numbers.reference}\n"
        f"             max |dlogit| {numbers.max_abs_logit_difference:.2e}   "
        f"max |dp| {numbers.max_abs_probability_difference:.2e}   decision flips {numbers.flips} "
        f"({numbers.flips_outside_band} outside the band)\n"
        f"             with sums in fp16 too: max |dp| {exported.pessimistic:.2e}\n"
        "speed        not measured: Core ML runs on Macs"
    )


def _bytes(exported: CoreMLExported) -> int:
    files = exported.manifest.files.items()
    return sum(entry.bytes for name, entry in files if name.startswith(f"{exported.file}/"))


def _proven(exported: CoreMLExported) -> bool:
    return any(engine.file == exported.file and engine.parity is not None for engine in exported.manifest.engines)
