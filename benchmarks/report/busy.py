"""Latency next to busy neighbours, for the documentation: a table for each result, and one line for the README."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.markdown import Table

_OURS, _PEERS = "ours-native", ("openvino-int8", "ours-int8")
_LINE_TOKENS = (16, 128)
Row = Mapping[str, Any]


def busy_table(result: Mapping[str, Any]) -> Table:
    """Return a row for each load, contender and number of threads: medians by tokens, and what it costs neighbours."""
    labels = _labels(result)
    lengths = sorted({row["tokens"] for row in result["summary"]})
    groups: dict[tuple[int, str, str, int], list[Row]] = {}
    for row in result["summary"]:
        groups.setdefault((row["count"], row["neighbours"], row["key"], row["threads"]), []).append(row)
    rows: list[Sequence[str]] = []
    for (count, kind, key, threads), group in sorted(groups.items()):
        by_tokens = {row["tokens"]: row for row in group}
        rows.append(
            [
                f"{count} {kind}" if count else "none",
                labels[key],
                str(threads),
                *(_cell(by_tokens[tokens]) if tokens in by_tokens else "" for tokens in lengths),
                *(f"{by_tokens[tokens]['cpu_ms']:.1f}" for tokens in lengths[:1] + lengths[-1:]),
                _percent(_speed(group)),
                _loss(by_tokens.get(lengths[-1])),
            ]
        )
    ends = [f"CPU ms, {tokens}" for tokens in lengths[:1] + lengths[-1:]]
    columns = ["neighbours", "engine", "threads", *(f"{tokens} tokens" for tokens in lengths)]
    return [*columns, *ends, "neighbours' speed", f"their loss, {lengths[-1]}"], rows


def busy_line(result: Mapping[str, Any]) -> str:
    """Return one line: our times next to one spinning process and alone, and those of peers next to it."""
    threads = max(row["threads"] for row in result["summary"])
    chosen = [row for row in result["summary"] if row["threads"] == threads]
    alone = {(row["key"], row["tokens"]): row["median_ms"] for row in chosen if row["count"] == 0}
    beside = [row for row in chosen if row["count"] == 1 and row["neighbours"] == "spinning"]
    times = {(row["key"], row["tokens"]): row["median_ms"] for row in beside}
    tokens = [count for count in _LINE_TOKENS if (_OURS, count) in times and (_OURS, count) in alone]
    if not tokens:
        return ""
    labels = _labels(result)
    own = " and ".join(f"{times[_OURS, count]:.1f} ms at {count}" for count in tokens)
    idle = " and ".join(f"{alone[_OURS, count]:.1f}" for count in tokens)
    peers = [
        f"; {labels[key]}, {' and '.join(f'{times[key, count]:.1f}' for count in tokens)}"
        for key in _PEERS
        if all((key, count) in times for count in tokens)
    ]
    sets = result["machine"]["instruction_sets"]
    machine = f"{result['machine']['cpu']}, {', '.join(sets)}{' only' if len(sets) == 1 else ''}"
    return (
        f"- Next to one busy process it takes {own} tokens, where alone it takes {idle}{''.join(peers)} "
        f"({result['name']} size, {threads} threads offered, {machine}).\n"
    )


def _labels(result: Mapping[str, Any]) -> dict[str, str]:
    return {one["key"]: one["label"] for one in result["contenders"]}


def _cell(row: Row) -> str:
    return f"{row['median_ms']:.1f} (p99 {row['p99_ms']:.1f})"


def _speed(rows: list[Row]) -> float | None:
    speeds = [row["neighbours_speed"] for row in rows if row["neighbours_speed"] is not None]
    return sum(speeds) / len(speeds) if speeds else None


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def _loss(row: Row | None) -> str:
    """Return the milliseconds of their processors that a decision costs all neighbours together."""
    if row is None or row["neighbours_speed"] is None:
        return ""
    return f"{max(0.0, 1 - row['neighbours_speed']) * row['median_ms'] * row['count']:.0f}"
