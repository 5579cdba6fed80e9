"""Result files: JSON that says what was measured, on what, and what became of every contender."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.machine import describe, slug
from benchmarks.sources import Sources
from vibe_router.errors import DataError, UsageError

RESULTS = Path(__file__).resolve().parent / "results"
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


def read_result(path: Path) -> dict[str, Any] | None:
    """Return a result, or None where there is no file yet.

    Raises:
        DataError: the file is not a result.
    """
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise DataError(f"{path} is not JSON ({error})", hint="delete it and measure again") from error
    if not isinstance(content, dict) or "command" not in content:
        raise DataError(f"{path} is not a result of this program", hint="give another output")
    return content


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


def write_result(path: Path, content: Mapping[str, Any]) -> None:
    """Write `content`, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f"{path.name}.partial")
    staged.write_text(_dump(content), encoding="utf-8")
    staged.replace(path)


def merge_contenders(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one entry a key, the newer ones winning, in the order of appearance."""
    merged = {entry["key"]: entry for entry in old} | {entry["key"]: entry for entry in new}
    return list(merged.values())


def _dump(content: Mapping[str, Any]) -> str:
    """Return JSON with one line for each item of the top level's lists, so that differences can be read."""
    parts = []
    for key, value in content.items():
        if isinstance(value, list) and value:
            items = ",\n    ".join(json.dumps(item, allow_nan=False) for item in value)
            text = f"[\n    {items}\n  ]"
        else:
            text = json.dumps(value, indent=2, allow_nan=False).replace("\n", "\n  ")
        parts.append(f"  {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"
