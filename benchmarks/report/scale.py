"""The tables of docs/scale.md from their result files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.markdown import markdown
from benchmarks.report.files import Sections

_BILLION = 1_000_000_000
_WORKERS = 1_000
_LABELS = {
    "route_many": "`route_many`, one process, 2 threads",
    "parquet": "the Parquet command, one process, 2 threads",
    "plain": "two plain processes, 1 thread each",
    "ray": "Ray Data, two actors of 1 CPU",
    "spark": "Spark, `local[2]`",
}
_AGAINST = {"parquet": "route_many", "ray": "plain", "spark": "plain"}


Rounds = Sequence[Mapping[str, Mapping[str, float]]]


def _scale(content: Mapping[str, Any]) -> str:
    rounds: Rounds = content["rounds"]
    added = content["rows"] - content["few"]
    ways = [way for way in _LABELS if any(way in one for one in rounds)]
    rates = {way: added / median(_steady(one, way) for one in rounds if way in one) for way in ways}
    starts = {way: median(one[way]["few"] for one in rounds if way in one) for way in ways}
    rows = [
        (
            _LABELS[way],
            f"{rates[way]:,.1f}",
            f"{starts[way]:.1f} s",
            f"{content['rows'] / median(one[way]['all'] for one in rounds if way in one):,.1f}",
            _against(rounds, way),
            str(sum(way in one for one in rounds)),
        )
        for way in ways
    ]
    header = ("way", "rows a second", "start", "with the start", "against", "runs")
    parts = [
        f"**{content['name']}**, {content['rows']:,} rows of {content['prompts']}, batches of {content['batch']:,}, "
        f"on {content['machine']['cpu']}, medians of runs in turn:\n\n",
        markdown((header, rows)),
        f"\n*start* is how long {content['few']} rows take; *rows a second* is the rate of all further ones.\n",
    ]
    if content["memory"]:
        peaks = ", ".join(f"{one['peak_mib']:.0f} MiB with {one['rows']:,} rows" for one in content["memory"])
        cut = content["memory"][0]["characters"]
        parts.append(f"\nMost resident memory of the Parquet command: {peaks}, cut to {cut} characters.\n")
    if "plain" in rates:
        parts.append("\n" + _cost(content, rates["plain"] / 2, max(starts.values())))
    return "".join(parts)


def _steady(one: Mapping[str, Mapping[str, float]], way: str) -> float:
    """Return the seconds of the rows that come after the start."""
    return one[way]["all"] - one[way]["few"]


def _against(rounds: Rounds, way: str) -> str:
    """Return how fast a way is next to the one that it is judged by, in the rounds that have both."""
    other = _AGAINST.get(way)
    both = [one for one in rounds if way in one and other in one]
    if other is None or not both:
        return ""
    steady = median(_steady(one, other) / _steady(one, way) for one in both)
    whole = median(one[other]["all"] / one[way]["all"] for one in both)
    return f"{steady:.3f} of {_LABELS[other].split(',')[0]}, {whole:.3f} with the start"


def _cost(content: Mapping[str, Any], rate: float, start: float) -> str:
    """Return what a billion rows cost by the rate of one plain process, and a thousand workers on them."""
    hours = _BILLION / rate / 3600
    even = _BILLION / _WORKERS / rate
    tail = content["batch"] / rate
    whole = start + even + tail
    moved = (content["bytes_read"] + content["bytes_written"]) / content["rows"]
    return (
        f"- A core routes {rate:,.1f} rows a second: {hours:,.0f} core-hours for a billion rows.\n"
        f"- {_WORKERS:,} workers of one core: {even / 60:,.1f} minutes where work is even, {start:.1f} s to start "
        f"(the slowest way above; {content['loading_s']:.2f} s of it load a router), and at most a batch of "
        f"{content['batch']:,} rows, {tail:.1f} s, at the end: {whole / 60:,.1f} minutes, {even / whole:.1%} of an "
        "ideal division.\n"
        f"- They read and write {moved:,.0f} bytes a row, {moved * rate * _WORKERS / 1e6:,.1f} MB a second together.\n"
    )


SCALE: Sections = {"scale-nano": _scale, "scale-base": _scale}
