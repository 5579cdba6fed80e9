"""Tables of counts or sketches from a file, which anybody may have written: checked before they are summed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from vibe_router.errors import DataError
from vibe_router_tools.calibration.keyed import SCHEMA, Marks, read_marks
from vibe_router_tools.calibration.sample_file import MOST_PROMPTS

_COUNTS = ("count", "labelled", "severe")
_OF_COUNTS = {"held_out": pa.bool_(), "bin": pa.uint16(), **dict.fromkeys(_COUNTS, pa.int64())}


def checked_counts(table: pa.Table, *, name: str) -> pa.Table:
    """Return the columns of a table of counts, of the types that `keyed` describes.

    Raises:
        DataError: it is none, lacks a column, or holds what cannot have been counted.
    """
    rows = checked_columns(table, read_marks(table.schema, name=name), _OF_COUNTS, name=name, kind=SCHEMA)
    count, labelled, severe = (rows.column(column).to_numpy() for column in _COUNTS)
    possible = (severe >= 0) & (severe <= labelled) & (labelled <= count) & (count > 0) & (count <= MOST_PROMPTS)
    if not possible.all() or count.sum(dtype=np.float64) > MOST_PROMPTS:
        raise _damaged(name, "its counts are out of range")
    return rows


def checked_columns(
    table: pa.Table, marks: Marks, columns: dict[str, pa.DataType], *, name: str, kind: str
) -> pa.Table:
    """Return the keys of `marks`, as text, and the `columns`, without nulls, with the table's own metadata.

    Raises:
        DataError: a column is missing or there twice, holds a null, or is of another type.
    """
    fields = [*((key, pa.string()) for key in marks.keys), *columns.items()]
    names = [field for field, _ in fields]
    if any(table.schema.names.count(column) != 1 or names.count(column) != 1 for column in names):
        raise _damaged(name, f"its columns are not those of {kind}")
    try:
        rows = table.select(names).cast(pa.schema(fields, metadata=table.schema.metadata))
        rows.validate(full=True)
    except pa.ArrowException as error:
        raise _damaged(name, "a column is of another type") from error
    if any(rows.column(column).null_count for column in columns):
        raise _damaged(name, "a value is missing")
    return rows


def _damaged(name: str, reason: str) -> DataError:
    return DataError(f"{name} holds no counts of this version: {reason}", hint="vibe-router histograms writes them")
