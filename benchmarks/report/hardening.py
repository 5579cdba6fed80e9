"""The tables of docs/hardening.md and docs/adversarial.md from their result files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.markdown import markdown
from benchmarks.report.files import Sections

_WITH_NEW_HASHES = frozenset({"tamper, rehashed", "manifest", "tokenizer", "golden", "onnx", "native"})
"""Targets of the attacker who writes the whole bundle: the manifest has the hashes of what he wrote."""


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
        f"{markdown((header, rows))}\nPlaces left after the next writer: {content['left_after_cleaning']}. "
        f"The next export was {last}.\n"
    )


def _fuzz(content: Mapping[str, Any]) -> str:
    targets = content["targets"]
    kinds = list(next(iter(targets.values()))["outcomes"])
    counts = {name: (one["inputs"], *(one["outcomes"][kind] for kind in kinds)) for name, one in targets.items()}
    rows = [(name, "new" if name in _WITH_NEW_HASHES else "", *counted) for name, counted in counts.items()]
    rehashed = [counted for name, counted in counts.items() if name in _WITH_NEW_HASHES]
    totals = (("all with new hashes", "new", *_sums(rehashed)), ("all", "", *_sums(list(counts.values()))))
    return markdown((("target", "hashes", "inputs", *kinds), [*rows, *totals]))


def _fuzz_c(content: Mapping[str, Any]) -> str:
    targets: Mapping[str, Mapping[str, int]] = content["targets"]
    rows = [(name, one["inputs"], one["processor_seconds"], one["status"]) for name, one in targets.items()]
    inputs, seconds, status = zip(*(row[1:] for row in rows), strict=True)
    total = ("all", sum(inputs), sum(seconds), max(status))
    return markdown((("target", "inputs", "seconds of a processor", "exit status"), [*rows, total]))


def _sums(counts: Sequence[Sequence[int]]) -> list[int]:
    return [sum(column) for column in zip(*counts, strict=True)]


def _soak(content: Mapping[str, Any]) -> str:
    names = ("routes", "answered", "lost", "duplicated", "wrong", "faults", "retried", "reloads")
    table = markdown((names, [[content[name] for name in names]]))
    lines = [_slope("resident memory", "MiB", content["memory_mib_per_thousand_routes"])]
    lines.append(_slope("median latency", "ms", content["median_ms_per_thousand_routes"]))
    samples = [sample for run in content["runs"] for sample in run["samples"]]
    memory = [sample[1] for sample in samples]
    if memory:
        lines.append(f"Resident memory lay between {min(memory):.0f} and {max(memory):.0f} MiB.")
    return "\n".join([table, *lines, ""])


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
    return markdown((header, rows))


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({100 * part / whole:.0f} %)" if whole else "0 of 0"


def _slope(what: str, unit: str, slope: Mapping[str, float] | None) -> str:
    if slope is None:
        return f"Slope of the {what}: too few samples."
    ends = f"{slope['low']:+.2g} to {slope['high']:+.2g}"
    return f"Slope of the {what}: {slope['per_thousand']:+.2g} {unit} per 1,000 routes (95 % interval {ends})."


HARDENING: Sections = {
    "kill-exports": _kill_exports,
    "kill-coreml-exports": _kill_exports,
    "fuzz": _fuzz,
    "fuzz-c": _fuzz_c,
    "soak": _soak,
    "adversarial": _adversarial,
}
