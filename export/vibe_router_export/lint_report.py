"""Results of the placement check of Core ML packages, as JSON values and as text."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from vibe_router_export.emit.coreml.lint import ASSUMED_FLOPS_PER_SECOND, LintReport


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
