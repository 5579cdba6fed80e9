"""Throughput: many real prompts, from text to decisions, one by one, in batches, and from several threads."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from benchmarks.peers.contenders.definition import Contender
from benchmarks.peers.outcome import Outcome
from benchmarks.peers.results import merge_contenders
from benchmarks.peers.sources import Sources
from benchmarks.peers.team import Team
from vibe_router.progress import Progress, ProgressCallback


class Way(Enum):
    """How the prompts reach the contender.

    ALONE: one after the other. BATCHED: `route_many`, or for peers 32 sorted by length and padded. THREADS: one after
    the other from as many threads as there are CPUs to use, which share a session that has one thread.
    """

    ALONE = "alone"
    BATCHED = "batched"
    THREADS = "threads"


def measure_throughput(
    contenders: Sequence[Contender],
    sources: Sources,
    prompts: Sequence[str],
    *,
    ways: Sequence[Way],
    threads: int,
    rounds: int,
    save: Callable[[list[dict[str, Any]], list[Outcome]], None],
    progress: ProgressCallback | None = None,
) -> None:
    """Let each contender decide all prompts in each way, all of them in turn `rounds` times; `save` each result.

    Each run has a process of its own.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "prompts.jsonl"
        file.write_text("".join(json.dumps(prompt) + "\n" for prompt in prompts), encoding="utf-8")
        turns = [(contender, way) for _ in range(rounds) for contender in contenders for way in ways]
        for done, (contender, way) in enumerate(turns, start=1):
            team = Team()
            worker = team.add(contender, sources, threads=1 if way is Way.THREADS else threads)
            rows = []
            if worker is not None:
                answer = team.ask(worker, "decide_all", file=str(file), way=way.value, callers=threads)
                if answer is not None:
                    rows.append(
                        {
                            "key": contender.key,
                            "way": way.value,
                            "threads": threads,
                            "prompts": len(prompts),
                            "seconds": [round(answer["seconds"], 6)],
                            "cloud": answer["cloud"],
                            "peak_resident": answer["peak"],
                        }
                    )
            team.close()
            save(rows, list(team.outcomes.values()))
            if progress is not None:
                progress(Progress(done, len(turns)))


def throughput_content(
    head: Mapping[str, Any],
    settings: Mapping[str, Any],
    rows: Sequence[dict[str, Any]],
    outcomes: Sequence[Outcome],
    old: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the JSON values of a result: what `old` holds and these runs added to it.

    A row has the `seconds` of each run, and the prompts a second of their median.
    """
    cells: dict[tuple[str, str, int, int], dict[str, Any]] = {}
    for row in (*(old["summary"] if old else []), *rows):
        known = cells.get(_cell(row))
        seconds = [*(known["seconds"] if known else []), *row["seconds"]]
        peaks = [each["peak_resident"] for each in (row, known) if each and each["peak_resident"] is not None]
        speed = round(row["prompts"] / statistics.median(seconds), 2)
        cells[_cell(row)] = {
            **row,
            "seconds": seconds,
            "prompts_a_second": speed,
            "peak_resident": max(peaks, default=None),
        }
    contenders = merge_contenders(old["contenders"] if old else [], [outcome.fields() for outcome in outcomes])
    return {**head, "settings": dict(settings), "contenders": contenders, "summary": list(cells.values())}


def _cell(row: Mapping[str, Any]) -> tuple[str, str, int, int]:
    return row["key"], row["way"], row["threads"], row["prompts"]
