"""Put the figures of the results into the documentation, between marks, so that the two cannot differ."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.output import RESULTS
from vibe_router.staging import write_file

DOCS = RESULTS.parents[1] / "docs"


def published(text: str, results: Path = RESULTS) -> str:
    """Return a document with what stands between `<!-- NAME -->` and `<!-- end -->` made anew from NAME.json."""

    def fill(match: re.Match[str]) -> str:
        name = match["name"]
        content = json.loads((results / f"{name}.json").read_text("utf-8"))
        return f"<!-- {name} -->\n{TABLES[name](content)}\n<!-- end -->"

    return re.sub(r"<!-- (?P<name>[a-z-]+) -->\n.*?<!-- end -->", fill, text, flags=re.DOTALL)


def publish(folder: Path = DOCS) -> list[Path]:
    """Rewrite the documents that quote results; return those that changed."""
    changed = []
    for path in sorted(folder.glob("*.md")):
        before = path.read_text("utf-8")
        after = published(before)
        if after != before:
            write_file(path, after.encode())
            changed.append(path)
    return changed


def _kill_exports(content: Mapping[str, Any]) -> str:
    windows: dict[str, list[Mapping[str, Any]]] = {}
    for export in content["exports"]:
        windows.setdefault(export["window"], []).append(export)
    rows = []
    for window, exports in windows.items():
        found = [sum(one["found"] == name for one in exports) for name in ("absent", "old, whole", "new, whole")]
        others = len(exports) - sum(found)
        rows.append((window, len(exports), *found, others, sum(one["left"] for one in exports)))
    header = ("killed", "exports", "no target", "old, whole", "new, whole", "anything else", "places left")
    last = "whole" if content["last_export_whole"] else "not whole"
    return (
        f"{_table(header, rows)}\n\nPlaces left after the next writer: {content['left_after_cleaning']}. "
        f"The next export was {last}."
    )


def _fuzz(content: Mapping[str, Any]) -> str:
    targets = content["targets"]
    kinds = list(next(iter(targets.values()))["outcomes"])
    rows = [(name, one["inputs"], *(one["outcomes"][kind] for kind in kinds)) for name, one in targets.items()]
    totals = [sum(row[column] for row in rows) for column in range(1, len(kinds) + 2)]
    return _table(("target", "inputs", *kinds), [*rows, ("all", *totals)])


def _soak(content: Mapping[str, Any]) -> str:
    names = ("routes", "answered", "lost", "duplicated", "wrong", "faults", "retried", "reloads")
    table = _table(names, [[content[name] for name in names]])
    lines = [_slope("resident memory", "MiB", content["memory_mib_per_thousand_routes"])]
    lines.append(_slope("median latency", "ms", content["median_ms_per_thousand_routes"]))
    samples = [sample for run in content["runs"] for sample in run["samples"]]
    memory = [sample[1] for sample in samples]
    if memory:
        lines.append(f"Resident memory lay between {min(memory):.0f} and {max(memory):.0f} MiB.")
    return "\n".join([table, "", *lines])


def _adversarial(content: Mapping[str, Any]) -> str:
    rows = []
    for row in content["rows"]:
        flips = {one["profile"]: one for one in row["profiles"]}["balanced"]
        rows.append(
            (
                row["edit"],
                row["prompts"],
                _share(flips["to_cloud"], flips["device"]),
                _share(flips["to_device"], flips["cloud"]),
                f"{row['mean_shift']:+.3f}",
            )
        )
    header = ("edit", "prompts", "device to cloud", "cloud to device", "mean shift of p_cloud")
    return _table(header, rows)


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({100 * part / whole:.0f} %)" if whole else "0 of 0"


def _slope(what: str, unit: str, slope: Mapping[str, float] | None) -> str:
    if slope is None:
        return f"Slope of the {what}: too few samples."
    ends = f"{slope['low']:+.2g} to {slope['high']:+.2g}"
    return f"Slope of the {what}: {slope['per_thousand']:+.2g} {unit} per 1,000 routes (95 % interval {ends})."


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    def cell(value: object) -> str:
        return f"{value:,}" if isinstance(value, int) else str(value)

    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(map(cell, row)) + " |" for row in rows])


TABLES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "kill-exports": _kill_exports,
    "fuzz": _fuzz,
    "soak": _soak,
    "adversarial": _adversarial,
}
"""What a document may quote, by the name of the result."""
