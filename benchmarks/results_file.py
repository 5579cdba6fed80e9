"""Result files: JSON that says what was measured and on what machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.machine import describe, machine, slug
from vibe_router.errors import DataError
from vibe_router_tools.atomic.write import write_file

RESULTS = Path(__file__).resolve().parent / "results"


def path_of_this_machine(measurement: str) -> Path:
    """Return the file of a measurement whose page shows several machines."""
    return RESULTS / measurement / f"{slug(describe())}.json"


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


def write_result(path: Path, content: Mapping[str, Any]) -> None:
    """Write `content` as JSON, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, _dump(content).encode())


def write_with_machine(path: Path, content: Mapping[str, Any], *, threads: int = 1) -> None:
    """Write `content` after a description of the machine and the number of threads it was measured with."""
    write_result(path, {"machine": machine(threads=threads), **content})


def merge_entries(path: Path, key: str, entries: Mapping[str, Any], *, threads: int = 1) -> None:
    """Add `entries` to the object `key` of a result; entries of the same names are replaced."""
    before = json.loads(path.read_text("utf-8")).get(key, {}) if path.exists() else {}
    write_with_machine(path, {key: before | dict(entries)}, threads=threads)


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
