"""`vibe-router inspect`: what a bundle holds."""

from __future__ import annotations

from dataclasses import asdict

from vibe_router.bundle.bundle import Bundle, open_bundle
from vibe_router.bundle.manifest import EngineFile
from vibe_router.engines.select import is_proven
from vibe_router_tools.commands.options import BundleArgument, JsonOption
from vibe_router_tools.console.output import print_json, print_table


def inspect(bundle: BundleArgument = None, as_json: JsonOption = False) -> None:
    """Check a bundle's files and show its manifest: engines, thresholds, calibration, provenance."""
    opened = open_bundle(bundle)
    opened.check()
    if as_json:
        engines = [asdict(file) | {"proven": is_proven(file)} for file in opened.manifest.engines]
        print_json(asdict(opened.manifest) | {"folder": str(opened.folder), "engines": engines})
    else:
        _print_bundle(opened)


def _print_bundle(bundle: Bundle) -> None:
    manifest = bundle.manifest
    calibration, provenance = manifest.calibration, manifest.provenance
    ece = (
        "not measured"
        if calibration.ece_before is None or calibration.ece_after is None
        else f"{calibration.ece_before:.4f} -> {calibration.ece_after:.4f}"
    )
    rows = [
        ("folder", str(bundle.folder)),
        ("schema", manifest.schema),
        ("version", manifest.version),
        ("device / cloud", f"{manifest.labels.device} / {manifest.labels.cloud}"),
        ("max tokens", str(manifest.max_tokens)),
        ("temperature", f"{calibration.temperature:g} ({calibration.source})"),
        ("folded into the graph", "yes" if calibration.folded else "no"),
        ("ECE", ece),
        ("checkpoint", f"{provenance.checkpoint} (sha256 {provenance.checkpoint_sha256[:12]})"),
        ("made", f"{provenance.created} by {provenance.tool}"),
        ("versions", ", ".join(f"{name} {version}" for name, version in provenance.versions.items())),
    ]
    print_table(f"Bundle {manifest.name}", ("what", "value"), rows)
    print_table("Engines", ("kind", "precision", "file", "parity"), [_engine(file) for file in manifest.engines])
    print_table(
        "Thresholds",
        ("profile", "raw", "calibrated", ""),
        [
            (
                name,
                f"{item.raw:.6f}",
                f"{item.calibrated:.6f}",
                "default" * (name == manifest.default_profile),
            )
            for name, item in manifest.thresholds.items()
        ],
    )
    print_table(
        "Files, all as the manifest says",
        ("file", "bytes", "sha256"),
        [(name, f"{entry.bytes:,}", entry.sha256[:12]) for name, entry in manifest.files.items()],
    )


def _engine(file: EngineFile) -> tuple[str, str, str, str]:
    parity = file.parity
    if parity is None:
        return file.kind, file.precision, file.file, "unproven"
    verdict = "proven" if is_proven(file) else "FAILED"
    numbers = (
        f"{verdict} against {parity.reference} on {parity.prompts} prompts: max |dlogit| "
        f"{parity.max_abs_logit_difference:.2g}, flips {parity.flips}, "
        f"outside the band {parity.flips_outside_band}"
    )
    return file.kind, file.precision, file.file, numbers
