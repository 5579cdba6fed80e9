"""The tables of docs/scale.md from their result files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.markdown import markdown
from benchmarks.report.files import Sections

_BILLION = 1_000_000_000
_WORKERS = 1_000
_BATCH = 4_096
_LABELS = {
    "route_many": "`route_many`, one process, 2 threads",
    "parquet": "the Parquet command, one process, 2 threads",
    "plain": "two plain processes, 1 thread each",
    "ray": "Ray Data, two actors of 1 CPU",
    "spark": "Spark, `local[2]`",
}
_AGAINST = {"parquet": "route_many", "ray": "plain", "spark": "plain"}


def _scale(content: Mapping[str, Any]) -> str:
    rates = {one["way"]: one["rows_a_second"] for one in content["ways"]}
    rows = []
    for way, rate in rates.items():
        other = _AGAINST.get(way)
        share = f"{rate / rates[other]:.3f} of {_LABELS[other].split(',')[0]}" if other and other in rates else ""
        rows.append((_LABELS[way], f"{rate:,.0f}", share))
    parts = [
        f"**{content['name']}**, {content['rows']:,} rows of {content['prompts']}, on {content['machine']['cpu']}, "
        f"medians of {len(content['ways'][0]['seconds'])} runs in turn:\n",
        markdown((("way", "rows a second", "against"), rows)),
    ]
    if content["memory"]:
        peaks = ", ".join(f"{one['peak_mib']:.0f} MiB with {one['rows']:,} rows" for one in content["memory"])
        parts.append(f"\nMost resident memory of the Parquet command: {peaks}.\n")
    if "plain" in rates:
        parts.append("\n" + _cost(content, rates))
    return "".join(parts)


def _cost(content: Mapping[str, Any], rates: Mapping[str, float]) -> str:
    """Return what a billion rows cost by the rate of one plain process, and a thousand workers on them."""
    each = rates["plain"] / 2
    hours = _BILLION / each / 3600
    even = _BILLION / _WORKERS / each
    tail = _BATCH / each
    whole = even + content["loading_s"] + tail
    moved = (content["bytes_read"] + content["bytes_written"]) / content["rows"]
    return (
        f"- A core routes {each:,.0f} rows a second: {hours:,.0f} core-hours for a billion rows.\n"
        f"- {_WORKERS:,} workers of one core: {even / 60:.1f} minutes where work is even, {content['loading_s']:.2f} s "
        f"to load a router, and at most a batch of {_BATCH:,} rows, {tail:.1f} s, at the end: {whole / 60:.1f} "
        f"minutes, {even / whole:.1%} of an ideal division.\n"
        f"- They read and write {moved:,.0f} bytes a row, {moved * each * _WORKERS / 1e6:,.0f} MB a second together.\n"
    )


SCALE: Sections = {"scale-nano": _scale, "scale-base": _scale}
