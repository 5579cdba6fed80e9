"""The tables of docs/consumers.md from their result file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.consumers.definition import CONSUMERS
from benchmarks.markdown import markdown
from benchmarks.report.files import Sections

_ORDER = {consumer.key: place for place, consumer in enumerate(CONSUMERS)}
_COVERAGE_HEADER = ("operators by ONNX Runtime's lists", "nodes supported", "of", "partitions", "not in the list")
# It lists no operators for this one; only a device with the provider can tell.
_NO_LIST = ("QNN", "no list published", "", "", "")
_HEADER = ("consumer", "version", "loads", "prompts", "other ids", "max |dp|", "flips", "load ms", "ms a prompt")


def _consumers(content: Mapping[str, Any]) -> str:
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in sorted(content["rows"], key=lambda row: _ORDER.get(row["key"], len(_ORDER))):
        groups.setdefault((row["bundle"], row["precision"]), []).append(row)
    parts = [f"{content['machine']['system']}, one thread.\n"]
    for (bundle, precision), rows in groups.items():
        measured = [row for row in rows if row["status"] != "not here"]
        cpus = " and ".join(sorted({row["cpu"] for row in measured}))
        where = f", on {cpus}" if cpus else ""
        parts.append(f"{bundle}, {precision}{where}:\n\n{markdown((_HEADER, [_row(row) for row in measured]))}")
        parts.extend(_reasons(rows))
        parts.extend(_coverage(content["coverage"], bundle, precision))
    return "\n".join(parts)


def _row(row: Mapping[str, Any]) -> Sequence[object]:
    if row["status"] != "measured":
        return (row["label"], row["version"], "no", *[""] * 6)
    adapter = f", {row['adapter']}" if "adapter" in row else ""
    return (
        row["label"] + adapter,
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
    cells: list[Sequence[object]] = [
        (row["key"], row["supported"], row["nodes"], row["partitions"], ", ".join(row["unsupported"]) or "none")
        for row in rows
        if (row["bundle"], row["precision"]) == (bundle, precision)
    ]
    return [markdown((_COVERAGE_HEADER, [*cells, _NO_LIST]))] if cells else []


SECTIONS: Sections = {"consumers": _consumers}
