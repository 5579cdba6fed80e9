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
_NOT_HELD = Unreadable("the cell holds what Python has no value for")


def read_prompts(cells: pa.ChunkedArray) -> list[str | Unreadable]:
    """Return the texts of a column of strings."""
    return [cell if isinstance(cell, Unreadable) else str(cell) for cell in _values(cells)]


def read_conversations(cells: pa.ChunkedArray) -> list[list[Any] | Unreadable]:
    """Return the messages of a column of lists of structs, or of JSON text."""
    return [_conversation(cell) for cell in _values(cells)]


def without_times(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column with integers in the place of dates and times, also of those within its lists and structs.

    Python has no value for many of them: nanoseconds, years beyond 9999, time zones that this machine does not know.
    """
    plain = _without_times(cells.type)
    try:
        return cells if plain == cells.type else cells.cast(plain)
    except pa.ArrowException:  # a struct that has a name twice, say
        return cells


def _without_times(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_temporal(kind) and not pa.types.is_interval(kind):
        return pa.int32() if kind.bit_width == 32 else pa.int64()
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_without_times(field.type)) for field in kind])
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_without_times(kind.value_type)))
    if pa.types.is_large_list(kind):
        return pa.large_list(kind.value_field.with_type(_without_times(kind.value_type)))
    return kind


def _values(cells: pa.ChunkedArray) -> Sequence[Any]:
    cells = without_times(cells)
    try:
        values = cells.to_pylist()
    except (ValueError, OverflowError):
        values = [_value(cell) for cell in cells]
    return [_NULL if value is None else value for value in values]


def _value(cell: pa.Scalar) -> Any:
    try:
        return cell.as_py()
    except UnicodeDecodeError:
        return _NOT_UTF8
    except (ValueError, OverflowError):
        return _NOT_HELD


def _conversation(cell: Any) -> list[Any] | Unreadable:
    if isinstance(cell, (Unreadable, list)):
        return cell
    try:
        read = json.loads(cell)
    except (ValueError, RecursionError):
        return Unreadable("the cell is not JSON")
    return read if isinstance(read, list) else Unreadable("the cell is not a JSON list of messages")
