"""Scores as KLL sketches of Apache DataSketches, which Spark, Druid and others read, next to the exact counts.

A sketch holds a few hundred of the logits, so that a rank in it is off by at most `rank_error` of all rows, 99 times in
100. It depends on chance: two sketches of the same rows differ in their bytes, histograms do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import datasketches
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vibe_router.errors import DataError, UsageError
from vibe_router_tools.calibration.histogram import ScoreHistogram, edge_logits
from vibe_router_tools.calibration.keyed import CountOptions, Marks, read_marks, rows_to_check_on
from vibe_router_tools.calibration.sample import Part, ScoreSample
from vibe_router_tools.calibration.table_check import checked_columns
from vibe_router_tools.evaluation.defaults import HELD_OUT_SHARE

SCHEMA = "vibe-router-sketches/1"
_K = 4096
"""The sketch's size: a rank is off by about 0.1 %, and a sketch takes some 50 kB."""
_NO_LABELS = ScoreHistogram.empty


class Sketches:
    """Sketches of the logits by keys and part, filled a table of routed rows at a time."""

    def __init__(self, options: CountOptions) -> None:
        """Begin without a row; labels have no place in a sketch."""
        self._options = options
        self._model = ""
        self._sketches: dict[tuple[str | bool | None, ...], Any] = {}

    def add(self, table: pa.Table) -> None:
        """Add routed rows, which `keyed.count_rows` has found to be in order."""
        rows = table.filter(pc.is_valid(table.column("logit")))
        if not rows.num_rows:
            return
        self._model = rows.column("bundle")[0].as_py()
        held_out = rows_to_check_on(rows, self._options.text)
        keys = [rows.column(name).cast(pa.string()).to_pylist() for name in self._options.by]
        logits = rows.column("logit").to_numpy()
        places: dict[tuple[str | bool | None, ...], list[int]] = {}
        for place, key in enumerate(zip(*keys, held_out.tolist(), strict=True)):
            places.setdefault(key, []).append(place)
        for key, chosen in places.items():
            sketch = self._sketches.setdefault(key, datasketches.kll_floats_sketch(_K))
            sketch.update(logits[chosen])

    def table(self) -> pa.Table:
        """Return keys, `held_out` and `sketch`, the bytes of a KLL sketch of floats, a row for each sketch."""
        by = self._options.by
        keys = sorted(self._sketches, key=str)
        columns = {name: pa.array([key[index] for key in keys], pa.string()) for index, name in enumerate(by)}
        columns["held_out"] = pa.array([key[-1] for key in keys], pa.bool_())
        columns["sketch"] = pa.array([self._sketches[key].serialize() for key in keys], pa.binary())
        marks = Marks(self._model, self._options.miss_bound, by).write()
        return pa.table(columns).replace_schema_metadata({key: _as_sketches(mark) for key, mark in marks.items()})


def _as_sketches(mark: bytes) -> bytes:
    return mark.replace(b"vibe-router-histograms/1", SCHEMA.encode())


def checked_sketches(table: pa.Table, *, name: str) -> pa.Table:
    """Return the columns of a table of sketches.

    Raises:
        DataError: it is none.
    """
    columns = {"held_out": pa.bool_(), "sketch": pa.binary()}
    return checked_columns(table, read_marks(table.schema, name=name, kind=SCHEMA), columns, name=name, kind=SCHEMA)


def sample_of_sketches(tables: Sequence[pa.Table], where: Mapping[str, str]) -> ScoreSample:
    """Return the sample of merged sketches, whose counts are off by at most its `rank_error`.

    Raises:
        UsageError: there is no such key, or no row has that value.
        DataError: they are of different bundles or keys, or are no sketches.
    """
    # As with counts, a day without prompts has no bundle and changes nothing.
    full = [table for table in tables if table.num_rows] or tables[:1]
    marks = {read_marks(table.schema, name="the table", kind=SCHEMA) for table in full}
    if len(marks) != 1:
        raise DataError("sketches of different bundles or keys cannot be merged", hint="collect them alike")
    (shared,) = marks
    rows = pa.concat_tables(table.replace_schema_metadata() for table in full)
    for key, value in where.items():
        if key not in shared.keys:
            raise UsageError(f"the sketches have no key {key!r}", hint=f"keys: {', '.join(shared.keys) or 'none'}")
        rows = rows.filter(pc.equal(rows.column(key), value))
        if not rows.num_rows:
            raise UsageError(f"no row has {key}={value}", hint="values are compared as text")
    merged = {side: _merged(rows.filter(pc.equal(rows.column("held_out"), side))) for side in (False, True)}
    return ScoreSample(
        model=shared.model,
        held_out_share=HELD_OUT_SHARE,
        miss_bound=shared.miss_bound,
        labelled=0,
        choose=Part(_counted(merged[False]), _NO_LABELS()),
        check=Part(_counted(merged[True]), _NO_LABELS()),
        rank_error=max(sketch.normalized_rank_error(False) for sketch in merged.values()),
    )


def _merged(rows: pa.Table) -> Any:
    whole = datasketches.kll_floats_sketch(_K)
    for content in rows.column("sketch").to_pylist():
        try:
            whole.merge(datasketches.kll_floats_sketch.deserialize(content))
        except (RuntimeError, ValueError, TypeError) as error:
            raise DataError(f"a sketch is damaged: {error}", hint="write it again") from error
    return whole


def _counted(sketch: Any) -> ScoreHistogram:
    """Return about how many of a sketch's logits lie in each bin; the sum is exact."""
    if sketch.is_empty():
        return ScoreHistogram.empty()
    below = np.array(sketch.get_cdf(edge_logits(), True))
    return ScoreHistogram(np.diff(np.round(below * sketch.n).astype(np.int64), prepend=0))
