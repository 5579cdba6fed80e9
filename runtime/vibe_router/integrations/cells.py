"""Read the cells of an Arrow column as prompts or as conversations, one bad cell at the cost of none other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa


@dataclass(frozen=True)
class Unreadable:
    """A cell that holds nothing to route; `why` quotes nothing of it."""

    why: str


_NULL = Unreadable("the cell is null")
_NOT_UTF8 = Unreadable("the cell is not UTF-8")


def read_prompts(cells: pa.ChunkedArray) -> list[str | Unreadable]:
    """Return the texts of a column of strings."""
    return [cell if isinstance(cell, Unreadable) else str(cell) for cell in _values(cells)]


def read_conversations(cells: pa.ChunkedArray) -> list[list[Any] | Unreadable]:
    """Return the messages of a column of lists of structs, or of JSON text."""
    return [_conversation(cell) for cell in _values(cells)]


def _values(cells: pa.ChunkedArray) -> Sequence[Any]:
    try:
        values = cells.to_pylist()
    except UnicodeDecodeError:
        values = [_value(cell) for cell in cells]
    return [_NULL if value is None else value for value in values]


def _value(cell: pa.Scalar) -> Any:
    try:
        return cell.as_py()
    except UnicodeDecodeError:
        return _NOT_UTF8


def _conversation(cell: Any) -> list[Any] | Unreadable:
    if isinstance(cell, (Unreadable, list)):
        return cell
    try:
        read = json.loads(cell)
    except (ValueError, RecursionError):
        return Unreadable("the cell is not JSON")
    return read if isinstance(read, list) else Unreadable("the cell is not a JSON list of messages")
