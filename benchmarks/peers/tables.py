"""Results as tables: for the terminal, and for the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.markdown import Table
from vibe_router_tools.measurement.cold import PHASES


def latency_table(content: dict[str, Any], *, threads: int, field: str = "median_ms") -> Table:
    """Return a row a contender and a column a length; the last columns are real prompts and max |dlogit|."""
    rows = [row for row in content["summary"] if row["threads"] == threads]
    tokens = sorted({row["tokens"] for row in rows if row["tokens"] is not None})
    columns: list[int | None] = [*tokens, *([None] if any(row["tokens"] is None for row in rows) else [])]
    cells = {(row["key"], row["tokens"]): row for row in rows}
    labels = {entry["key"]: entry["label"] for entry in content["contenders"]}
    table: list[Sequence[str]] = []
    for key, label in labels.items():
        own = [row for row in rows if row["key"] == key]
        if own:
            differences = [row["logit_difference"] for row in own if row["logit_difference"] is not None]
            shown = [_number(cells.get((key, count), {}).get(field)) for count in columns]
            table.append((label, *shown, f"{max(differences):.1e}" if differences else ""))
    names = ["prompts" if count is None else str(count) for count in columns]
    return ["", *names, "max |dlogit|"], table


def cold_table(content: dict[str, Any]) -> Table:
    """Return a row a contender: total, p95, the phases' medians, peak RSS."""
    labels = {entry["key"]: entry["label"] for entry in content["contenders"]}
    rows = [
        (
            labels[row["key"]],
            _number(row["median_ms"]),
            _number(row["p95_ms"]),
            *(_number(row["phases_ms"].get(phase)) for phase in PHASES),
            _megabytes(row["peak_resident"]),
        )
        for row in _in_order(content["summary"], labels)
    ]
    return ["", "total", "p95", *PHASES, "RSS MB"], list(rows)


def memory_table(content: dict[str, Any]) -> Table:
    """Return a row a contender: peak after loading, peak after all calls, and the slope with its interval."""
    labels = {entry["key"]: entry["label"] for entry in content["contenders"]}
    rows: list[Sequence[str]] = []
    for row in _in_order(content["summary"], labels):
        slope = row["slope"]
        shown = (
            ("", "")
            if slope is None
            else (
                f"{slope['bytes_a_call']:+.1f} ({slope['low']:+.1f} to {slope['high']:+.1f})",
                "yes" if slope["zero_inside"] else "no",
            )
        )
        megabytes = (_megabytes(row["loaded_peak"]), _megabytes(row["peak"]))
        rows.append((labels[row["key"]], *megabytes, f"{row['calls']:,}", *shown))
    return ["", "loaded, MB", "peak, MB", "calls", "bytes a call (95 %)", "zero inside"], rows


def throughput_table(content: dict[str, Any]) -> Table:
    """Return a row a contender and a column for each way and number of prompts."""
    labels = {entry["key"]: entry["label"] for entry in content["contenders"]}
    rates = {(row["key"], row["way"], row["prompts"]): row["prompts_a_second"] for row in content["summary"]}
    columns = sorted({(count, way) for _, way, count in rates})
    rows: list[Sequence[str]] = [
        (label, *(_number(rates.get((key, way, count))) for count, way in columns))
        for key, label in labels.items()
        if any(known == key for known, _, _ in rates)
    ]
    return ["", *(f"{count:,} {way}" for count, way in columns)], rows


def rate_table(content: dict[str, Any]) -> Table:
    """Return a row a kind and library, and a column for each number of threads, in thousand millions a second."""
    rates = content["rates"]
    names = list(dict.fromkeys((kind, library) for one in rates.values() for kind in one for library in one[kind]))
    rows: list[Sequence[str]] = [
        (kind, library, *(_number(one[kind][library] / 1e9) for one in rates.values())) for kind, library in names
    ]
    return ["", "by", *(f"threads {threads}" for threads in rates)], rows


def floor_table(content: dict[str, Any], *, threads: int) -> Table:
    """Return a row a contender and a column a length: how many times the floor its median is."""
    rows = [row for row in content["summary"] if row["threads"] == threads]
    tokens = sorted({row["tokens"] for row in rows})
    cells = {(row["key"], row["tokens"]): row["times_floor"] for row in rows}
    labels = {entry["key"]: entry["label"] for entry in content["contenders"]}
    table: list[Sequence[str]] = [
        (label, *(_number(cells.get((key, count))) for count in tokens))
        for key, label in labels.items()
        if any(known == key for known, _ in cells)
    ]
    return ["", *(str(count) for count in tokens)], table


def not_measured(content: dict[str, Any]) -> list[str]:
    """Return a line for each contender that has no figures, with the reason."""
    return [
        f"{entry['label']}: {entry['status']} ({entry['detail']})"
        if entry["status"] == "failed"
        else f"{entry['label']}: {entry['detail']}"
        for entry in content["contenders"]
        if entry["status"] != "measured"
    ]


def _in_order(rows: list[dict[str, Any]], labels: dict[str, str]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: list(labels).index(row["key"]))


def _megabytes(size: float | None) -> str:
    return "" if size is None else f"{size / 1e6:.0f}"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"
