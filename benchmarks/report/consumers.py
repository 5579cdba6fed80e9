"""The tables of docs/consumers.md from their result file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.markdown import markdown
from benchmarks.report.files import Sections

_HEADER = ("consumer", "version", "loads", "prompts", "other ids", "max |dp|", "flips", "load ms", "ms a prompt")


def _consumers(content: Mapping[str, Any]) -> str:
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in content["rows"]:
        groups.setdefault((row["bundle"], row["precision"]), []).append(row)
    machine = content["machine"]
    parts = [f"On {machine['cpu']}, {machine['system']}, one thread.\n"]
    for (bundle, precision), rows in groups.items():
        measured = [row for row in rows if row["status"] != "not here"]
        parts.append(f"{bundle}, {precision}:\n\n{markdown((_HEADER, [_row(row) for row in measured]))}")
        parts.extend(_reasons(rows))
        parts.extend(_coverage(content["coverage"], bundle, precision))
    return "\n".join(parts)


def _row(row: Mapping[str, Any]) -> Sequence[object]:
    if row["status"] != "measured":
        return (row["label"], row["version"], "no", *[""] * 6)
    return (
        row["label"],
        row["version"],
        "yes",
        row["prompts"],
        row["other_ids"],
        f"{row['max_abs_probability_difference']:.1e}",
        row["flips"],
        f"{row['load_ms']:.0f}",
        f"{row['median_ms']:.2f}",
    )


def _reasons(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    said = {"failed": "fails", "not here": "was not tried"}
    return [
        f"- {row['label']} ({row['version'] or row['key']}) {said[row['status']]}: {row['reason']}\n"
        for row in rows
        if row["status"] != "measured"
    ]


def _coverage(rows: Sequence[Mapping[str, Any]], bundle: str, precision: str) -> list[str]:
    return [
        f"- ONNX Runtime's {row['key']} provider lists the operators of {row['supported']} of {row['nodes']} nodes, "
        f"in {row['partitions']} partitions.\n"
        for row in rows
        if (row["bundle"], row["precision"]) == (bundle, precision)
    ]


CONSUMERS: Sections = {"consumers": _consumers}
