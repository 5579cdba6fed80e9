"""What `router-export coreml` prints."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from vibe_router_export.emit.coreml.lint import ASSUMED_FLOPS_PER_SECOND, LintReport
from vibe_router_export.recipes.coreml_export import CoreMLExported
from vibe_router_export.report import has_parity, verdict


def coreml_summary(bundle: Path, exported: CoreMLExported) -> dict[str, Any]:
    """Return an export's result as JSON values."""
    return {
        "bundle": str(bundle),
        "name": exported.manifest.name,
        "file": exported.file,
        "bytes": _bytes(exported),
        "temperature": exported.manifest.calibration.temperature,
        "residual_scale": exported.residual_scale,
        "proven": has_parity(exported.manifest, exported.file),
        "parity": asdict(exported.parity.half.numbers),
        "pessimistic_parity": asdict(exported.parity.pessimistic.numbers),
        "worst_prompt": exported.parity.half.worst.prompt,
        "placement": [lint_summary(report) for report in exported.placement],
    }


def coreml_text(bundle: Path, exported: CoreMLExported) -> str:
    """Return an export's result for people."""
    numbers, rough = exported.parity.half.numbers, exported.parity.pessimistic.numbers
    proven = verdict(proven=has_parity(exported.manifest, exported.file))
    return (
        f"{bundle}: {exported.file}, {_bytes(exported) / 1e6:.1f} MB\n"
        f"residual     scaled by {exported.residual_scale:g}\n"
        f"parity       {proven}\n"
        f"             {numbers.prompts} prompts, interpreted in fp16, against {numbers.reference}\n"
        f"             max |dlogit| {numbers.max_abs_logit_difference:.2e}   "
        f"max |dp| {numbers.max_abs_probability_difference:.2e}   decision flips {numbers.flips} "
        f"({numbers.flips_outside_band} outside the band)\n"
        f"             with sums in fp16 too, {rough.prompts} prompts: max |dp| "
        f"{rough.max_abs_probability_difference:.2e}\n"
        f"placement    {sum(len(report.violations) for report in exported.placement)} violations\n"
        "speed        not measured: Core ML runs on Macs"
    )


def lint_summary(report: LintReport) -> dict[str, Any]:
    """Return a placement report as JSON values; the time is an estimate and named so."""
    return {
        "bytes": report.bytes,
        "violations": [asdict(violation) | {"rule": violation.rule.value} for violation in report.violations],
        "functions": [
            {
                "name": facts.name,
                "flops": facts.flops,
                "estimated_milliseconds": facts.estimated_seconds * 1e3,
                "operations": facts.operations,
            }
            for facts in report.functions
        ],
    }


def lint_text(report: LintReport) -> str:
    """Return a placement report for people."""
    lines = [f"{report.bytes / 1e6:.1f} MB, {len(report.violations)} violations"]
    lines += [
        f"{found.function}: {found.operation} is {found.detail}: {found.rule.value}" for found in report.violations
    ]
    for facts in report.functions:
        counts = ", ".join(f"{count} {kind}" for kind, count in facts.operations.items())
        lines.append(
            f"{facts.name}: {facts.flops / 1e9:.2f} GFLOP, estimated {facts.estimated_seconds * 1e3:.2f} ms at "
            f"{ASSUMED_FLOPS_PER_SECOND / 1e12:.1f} TFLOP/s (an estimate, not measured)\n    {counts}"
        )
    return "\n".join(lines)


def _bytes(exported: CoreMLExported) -> int:
    files = exported.manifest.files.items()
    return sum(entry.bytes for name, entry in files if name.startswith(f"{exported.file}/"))
