"""The table of docs/conformance.md from its result file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.conformance.command import golden_digest
from benchmarks.markdown import markdown
from benchmarks.report.files import Sections

_HEADER = (
    "binding",
    "golden.jsonl: ids",
    "targets",
    "max |dp|",
    "as Python: ids",
    "targets",
    "max |dp|",
    "tests passed",
    "failed",
    "skipped",
)


def _conformance(content: Mapping[str, Any]) -> str:
    now = golden_digest()
    rows = [row for row in content["bindings"] if row["golden_sha256"] == now]
    stale = [row["label"] for row in content["bindings"] if row["golden_sha256"] != now]
    of = ", ".join(sorted({f"version {row['bundle']}" for row in rows})) or "no version"
    parts = [f"The bundled router, {of}, `golden.jsonl` {now[:16]}, on {content['machine']['system']}:\n\n"]
    parts.append(markdown((_HEADER, [_row(row) for row in rows])))
    parts.extend(f"- {label} has not been run with this `golden.jsonl`.\n" for label in stale)
    return "".join(parts)


def _row(row: Mapping[str, Any]) -> Sequence[object]:
    tests = row["tests"]
    counts = (tests["passed"], tests["failed"], tests["skipped"])
    label = f"{row['label']} {row['version']}"
    return (label, *_agreement(row["golden"]), *_agreement(row["python"]), *counts)


def _agreement(found: Mapping[str, Any] | None) -> Sequence[object]:
    if found is None:
        return ("no answers", "", "")
    of = f"{found['prompts']:,}"
    difference = found["max_abs_probability_difference"]
    return (
        f"{found['same_ids']:,} of {of}",
        f"{found['same_targets']:,} of {of}",
        f"{difference:.1e}" if difference else "0",
    )


CONFORMANCE: Sections = {"conformance": _conformance}
