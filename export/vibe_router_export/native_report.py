"""What `router-export native` prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vibe_router_export.recipes.native_export import NativeExported
from vibe_router_export.report import has_parity, low_precision_lines, low_precision_summary, verdict


def native_summary(bundle: Path, exported: NativeExported) -> dict[str, Any]:
    """Return an export's result as JSON values."""
    manifest, file = exported.manifest, exported.written.file
    return {
        "bundle": str(bundle),
        "name": manifest.name,
        "bytes": manifest.files[file].bytes,
        "temperature": manifest.calibration.temperature,
        "proven": has_parity(manifest, file),
        **low_precision_summary(exported.written),
    }


def native_text(bundle: Path, exported: NativeExported) -> str:
    """Return an export's result for people."""
    manifest, file = exported.manifest, exported.written.file
    lines = [
        f"{bundle}: {file}, {manifest.files[file].bytes / 1e6:.1f} MB",
        f"parity       {verdict(proven=has_parity(manifest, file))}",
        *low_precision_lines(exported.written),
    ]
    return "\n".join(lines)
