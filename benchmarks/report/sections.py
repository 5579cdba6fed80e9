"""The documentation's figures from the result files: generated text between markers, so that none is typed by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.markdown import Table, markdown
from benchmarks.peers import tables
from benchmarks.report.busy import busy_line, busy_table
from benchmarks.results_file import read_result
from vibe_router.errors import DataError

_MARKED = re.compile(r"(<!-- begin (?P<name>[a-z-]+) -->\n).*?(<!-- end (?P=name) -->)", re.DOTALL)
# Whom others are compared with: the first of these that was measured.
_OURS = ("ours-native", "ours-int8")
_SPEED_TOKENS = (4, 16, 48, 128, 512)
_NOTHING = "Not measured yet.\n"
MEASUREMENTS = ("latency", "cold", "memory", "throughput", "limits", "busy")
"""Commands that measure all contenders on a machine, for which there is a page a machine."""


def read_results(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the results of a folder by command, in the order of their files' names."""
    results: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.glob("*.json")):
        # Older measurements have a form of their own and are quoted elsewhere.
        content = json.loads(path.read_text("utf-8"))
        if isinstance(content, dict) and "command" in content:
            read = read_result(path)
            if read is not None:
                results.setdefault(str(read["command"]), []).append(read)
    return results


def sections(results: Mapping[str, list[dict[str, Any]]]) -> dict[str, str]:
    """Return the generated text of each marker."""
    latency = results.get("latency", [])
    return {
        "speed": "\n".join(_speed(result) for result in _of_the_fastest_engine(latency)),
        "summary": "".join(_summary(result, results) for result in _of_the_fastest_engine(latency)[-1:])
        + "".join(busy_line(result) for result in results.get("busy", [])[-1:]),
        "machines": _machines(result for group in results.values() for result in group),
        "pages": _links(result for group in results.values() for result in group),
        "ratios": "\n".join(_ratios(result) for result in latency),
        "undisturbed": "\n".join(_ratios(result, field="p10_ms") for result in latency),
        "latency": "\n".join(_latency(result) for result in latency),
        "undisturbed-latency": "\n".join(_latency(result, field="p10_ms") for result in latency),
        "plots": "\n".join(_plots(result) for result in latency),
        "cold": _each(results.get("cold", []), tables.cold_table),
        "memory": _each(results.get("memory", []), tables.memory_table),
        "throughput": _each(results.get("throughput", []), tables.throughput_table),
        "limits": "\n".join(_limits(result) for result in results.get("limits", [])),
        "busy": "\n".join(_busy(result) for result in results.get("busy", [])),
    }


def fill(text: str, generated: Mapping[str, str]) -> str:
    """Return `text` with the text between its markers replaced.

    Raises:
        DataError: a marker has a name that nothing is generated for.
    """

    def replace(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in generated:
            raise DataError(f"nothing is generated for the marker {name!r}", hint=f"known: {', '.join(generated)}")
        return f"{match[1]}{generated[name] or _NOTHING}{match[3]}"

    return _MARKED.sub(replace, text)


def plot_name(result: Mapping[str, Any], threads: int) -> str:
    """Return the file name of a latency plot."""
    from benchmarks.machine import slug

    return f"latency-{result['name']}-{slug(result['machine'])}-{threads}threads.png"


def _machines(results: Iterable[Mapping[str, Any]]) -> str:
    """Return a line for each machine, with every version of a library that was measured on it."""
    lines: dict[str, dict[str, list[str]]] = {}
    for result in results:
        machine = result["machine"]
        flags = ", ".join(machine["instruction_sets"])
        gigabytes = f", {machine['memory_bytes'] / 2**30:.0f} GiB" if machine["memory_bytes"] else ""
        described = (
            f"- {machine['cpu']}, {machine['cpus']} CPUs{gigabytes} ({flags}), {machine['system']}, "
            f"Python {machine['python']}"
        )
        versions = lines.setdefault(described, {})
        for name, version in machine["versions"].items():
            if version not in versions.setdefault(name, []):
                versions[name].append(version)
    return "".join(
        f"{described}: {', '.join(f'{name} {_either(versions[name])}' for name in versions)}\n"
        for described, versions in sorted(lines.items())
    )


def _either(versions: Iterable[str]) -> str:
    return " or ".join(sorted(versions))


def _ratios(result: dict[str, Any], *, field: str = "median_ms") -> str:
    return "\n".join(
        _titled(
            result,
            f"threads {threads}, times {_own_label(result)}",
            _against_ours(result, threads=int(threads), field=field),
        )
        for threads in result["rounds"]
    )


def _speed(result: dict[str, Any]) -> str:
    """Return the ratios of the largest number of threads at a few lengths, and our own milliseconds."""
    threads = max(int(count) for count in result["rounds"])
    few = [row for row in result["summary"] if row["threads"] == threads and row["tokens"] in _SPEED_TOKENS]
    key = _own_key(result)
    own = ", ".join(f"{row['median_ms']:.1f} ms at {row['tokens']}" for row in few if row["key"] == key)
    return (
        f"How many times as long as {_own_label(result)} each takes, by tokens ({result['name']} size, {threads} "
        f"threads of {result['machine']['cpu']}, medians of one run in turns); itself it takes {own} tokens:\n\n"
        + markdown(_against_ours(result | {"summary": few}, threads=threads))
    )


def _links(results: Iterable[Mapping[str, Any]]) -> str:
    """Return a link to the page of each machine that the contenders were measured on."""
    from benchmarks.machine import slug

    machines = {slug(one["machine"]): one["machine"] for one in results if one["command"] in MEASUREMENTS}
    return "".join(
        f"- [{machine['cpu']}, {machine['cpus']} CPUs](benchmarks/{name}.md)\n"
        for name, machine in sorted(machines.items())
    )


_PEERS = ("pytorch-fp32", "optimum-fp32", "openvino-int8")


def _summary(result: dict[str, Any], results: Mapping[str, list[dict[str, Any]]]) -> str:
    """Return the README's few figures: own milliseconds, how many times as long peers take, cold starts."""
    threads = max(int(count) for count in result["rounds"])
    rows = {(row["key"], row["tokens"]): row["median_ms"] for row in result["summary"] if row["threads"] == threads}
    labels = {one["key"]: one["label"] for one in result["contenders"]}
    own, tokens = _own_key(result), [count for count in _SUMMARY_TOKENS if (_own_key(result), count) in rows]
    times = " and ".join(f"{rows[own, count]:.1f} ms at {count}" for count in tokens)
    peers = [
        f"{labels[key]} {' and '.join(f'{rows[key, count] / rows[own, count]:.1f}' for count in tokens)}"
        for key in _PEERS
        if all((key, count) in rows for count in tokens)
    ]
    lines = [
        f"- {labels[own]}, {result['name']} size: {times} tokens. As many times as long: {', '.join(peers)}.",
        *_cold_summary(result["machine"], results.get("cold", [])),
        f"- Medians on {result['machine']['cpu']}, {threads} threads, in turns with all others.",
    ]
    return "".join(f"{line}\n" for line in lines)


_SUMMARY_TOKENS = (16, 128)


def _cold_summary(machine: Mapping[str, Any], cold: list[dict[str, Any]]) -> list[str]:
    """Return a line of our fastest cold start for each size on a machine."""
    starts = []
    for one in cold:
        ours = [row for row in one["summary"] if row["key"].startswith("ours")]
        if one["machine"] == machine and ours:
            best = min(ours, key=lambda row: row["median_ms"])
            label = next(each["label"] for each in one["contenders"] if each["key"] == best["key"])
            starts.append(f"{best['median_ms']:.0f} ms with {one['name']} ({label})")
    return [f"- A fresh process has its first decision after {', '.join(starts)}."] if starts else []


def _own_key(result: Mapping[str, Any]) -> str:
    measured = {row["key"] for row in result["summary"]}
    return next((key for key in _OURS if key in measured), _OURS[-1])


def _own_label(result: Mapping[str, Any]) -> str:
    return next(f"`{one['label']}`" for one in result["contenders"] if one["key"] == _own_key(result))


def _of_the_fastest_engine(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the results with the fastest of our engines that any of them has."""
    best = min((_OURS.index(_own_key(result)) for result in results), default=0)
    return [result for result in results if _OURS.index(_own_key(result)) == best]


def _against_ours(result: dict[str, Any], *, threads: int, field: str = "median_ms") -> Table:
    """Return how many times as long as our fastest engine each other contender takes, by tokens."""
    rows = [row for row in result["summary"] if row["threads"] == threads]
    key = _own_key(result)
    ours = {row["tokens"]: row[field] for row in rows if row["key"] == key}
    summary = [
        row | {"ratio": row[field] / ours[row["tokens"]], "logit_difference": None}
        for row in rows
        if row["tokens"] in ours and row["key"] != key
    ]
    columns, cells = tables.latency_table(result | {"summary": summary}, threads=threads, field="ratio")
    return columns[:-1], [row[:-1] for row in cells]


def _latency(result: dict[str, Any], *, field: str = "median_ms") -> str:
    parts = [
        _titled(
            result,
            f"threads {threads}, {count} rounds",
            tables.latency_table(result, threads=int(threads), field=field),
        )
        for threads, count in result["rounds"].items()
    ]
    absent = "".join(f"- {line}\n" for line in tables.not_measured(result))
    return "\n".join(parts) + (f"\n{absent}" if absent else "")


def _plots(result: dict[str, Any]) -> str:
    return "".join(
        f"![Latency of {result['name']}, {threads} threads](plots/{plot_name(result, int(threads))})\n"
        for threads in result["rounds"]
    )


def _limits(result: dict[str, Any]) -> str:
    parts = [_titled(result, "rates, GB/s or GFLOP/s (int8: GOP/s)", tables.rate_table(result))]
    for threads in result["rates"]:
        table = tables.floor_table(result, threads=int(threads))
        if table[1]:
            parts.append(_titled(result, f"threads {threads}, multiples of the floor", table))
    return "\n".join(parts)


def _busy(result: dict[str, Any]) -> str:
    settings = result["settings"]
    return _titled(result, f"{settings['calls']} calls a turn, {settings['rounds']} rounds", busy_table(result))


def _each(results: list[dict[str, Any]], table: Any) -> str:
    return "\n".join(_titled(result, "", table(result)) for result in results)


def _titled(result: Mapping[str, Any], what: str, table: Table) -> str:
    machine = result["machine"]
    title = ", ".join(part for part in (str(result["name"]), f"{machine['cpu']}", what) if part)
    return f"**{title}**\n\n{markdown(table)}"
