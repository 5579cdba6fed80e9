"""The result file of consumers: rows by bundle, precision and consumer, of which later ones replace earlier ones.

`machine` is that of the last run; every row names the processor that it was measured on.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from benchmarks.results_file import read_result, write_result

_NAMES = ("bundle", "precision", "key")


def add_rows(path: Path, kind: str, rows: Sequence[dict[str, Any]]) -> None:
    """Add rows to the list `kind` of a result, in place of those of the same bundle, precision and key."""
    content = read_result(path) or {"rows": [], "coverage": []}
    new = {_name(row) for row in rows}
    kept = [row for row in content[kind] if _name(row) not in new]
    here = machine(threads=1)
    rows = [row | {"cpu": here["cpu"]} for row in rows]
    facts = {"command": "consumers", "machine": here}
    write_result(path, facts | {"rows": content["rows"], "coverage": content["coverage"]} | {kind: [*kept, *rows]})


def _name(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in _NAMES)
