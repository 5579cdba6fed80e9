"""Values of a log's rows, checked: SQLite keeps anything in any column, and a file may come from anywhere."""

from __future__ import annotations

import math
import sqlite3
from typing import Any

_TEXTS = frozenset(
    (
        *("id", "path", "asked_model", "target", "reason", "profile", "scorer", "side", "outcome", "code", "faults"),
        *("answer_id", "request", "name"),
    )
)
BETTER = ("device", "cloud", "same")
"""What feedback may say."""
_NEEDED = frozenset(("id", "time", "outcome", "name"))
_YEAR_3000 = 32503680000.0


def checked_row(row: sqlite3.Row) -> dict[str, Any]:
    """Return a row by its names.

    Raises:
        ValueError: a value is missing, or of another kind than its column's.
    """
    found = {name: row[name] for name in row.keys()}  # noqa: SIM118 - a row iterates over its values
    for name, value in found.items():
        if value is None:
            right = name not in _NEEDED
        elif name == "better":
            right = value in BETTER
        elif name in _TEXTS:
            right = isinstance(value, str)
        elif name == "time":
            right = isinstance(value, int | float) and 0 <= value < _YEAR_3000
        else:
            right = isinstance(value, int | float) and math.isfinite(value)
        if not right:
            raise ValueError(f"a row has no usable {name}")
    return found
