"""Results of the measurements that many contenders share: their head, their file, and adding to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.machine import describe, slug
from benchmarks.peers.sources import Sources
from benchmarks.results_file import RESULTS, read_result
from vibe_router.errors import UsageError

# What must be equal in two runs that go into one file.
_SAME = ("command", "name", "machine", "source")


def opening(command: str, sources: Sources, *, name: str | None) -> dict[str, Any]:
    """Return the head of a result: command, size's name, machine and source."""
    return {
        "command": command,
        "name": name or sources.name,
        "machine": describe(),
        "source": {
            "checkpoint": None if sources.checkpoint is None else sources.checkpoint.name,
            "bundle": None if sources.bundle is None else sources.bundle.name,
        },
    }


def path_for(head: Mapping[str, Any], output: Path | None) -> Path:
    """Return `output`, or the committed results' place for a head."""
    return output or RESULTS / f"{head['command']}-{head['name']}-{slug(head['machine'])}.json"


def read_to_add(path: Path, head: Mapping[str, Any], *, fresh: bool) -> dict[str, Any] | None:
    """Return what a file holds already and a new run adds to; None where there is none or `fresh` is asked for.

    Raises:
        UsageError: it was measured on something else.
    """
    old = None if fresh else read_result(path)
    if old is None:
        return None
    # As JSON gives them back: tuples are lists there.
    now = json.loads(json.dumps(dict(head)))
    for key in _SAME:
        if old.get(key) != now[key]:
            raise UsageError(
                f"{path.name} holds another {key}: {old.get(key)!r}, not {now[key]!r}",
                hint="start it again with --fresh, or give another --output",
            )
    return old


def merge_contenders(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one entry a key, the newer ones winning, in the order of appearance."""
    merged = {entry["key"]: entry for entry in old} | {entry["key"]: entry for entry in new}
    return list(merged.values())
