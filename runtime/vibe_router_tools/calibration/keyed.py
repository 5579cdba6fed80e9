"""Count routed rows by keys, in tables that merge by addition: on one machine, or on a cluster's many.

A table of counts has a row for each key, part and bin that is not empty:

    KEY ...     string  one column for each key, such as customer or day
    held_out    bool    the part to check on, by the prompt's hash (`sample.is_for_checking`)
    bin         uint16  `histogram.bins_of` of the logit
    count       int64   rows; of them
    labelled    int64   with a label, and
    severe      int64   with a label of at least the miss bound

Merging adds counts and sorts rows, so that the same rows give the same table in any order.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vibe_router.errors import DataError, UsageError
from vibe_router.integrations.cells import without_times
from vibe_router_tools.calibration.histogram import BINS, ScoreHistogram, bins_of
from vibe_router_tools.calibration.sample import Part, ScoreSample, is_for_checking
from vibe_router_tools.evaluation.defaults import HELD_OUT_SHARE, MISS_BOUND

SCHEMA = "vibe-router-histograms/1"
_KEY = b"vibe_router"
_COUNTS = ("count", "labelled", "severe")
_OWN = ("held_out", "bin", *_COUNTS)
_LEFT_OUT = (pa.types.is_list, pa.types.is_large_list, pa.types.is_struct)
_NUMBERS = (pa.types.is_floating, pa.types.is_integer, pa.types.is_decimal, pa.types.is_null)
_ROUTE_AGAIN = "write the results again with vibe-router route"
_LABEL_HINT = "a label is a p_teacher, a number in 0..1, or null where there is none"


@dataclass(frozen=True, kw_only=True)
class CountOptions:
    """What to count by. `text` is the column whose hash divides rows, `label` one of p_teacher, where there is one."""

    by: tuple[str, ...] = ()
    text: str = "prompt"
    label: str | None = None
    miss_bound: float = MISS_BOUND


@dataclass(frozen=True)
class Marks:
    """What all rows of a table of counts share."""

    model: str
    miss_bound: float
    keys: tuple[str, ...]

    def write(self) -> dict[bytes, bytes]:
        """Return them as a schema's metadata."""
        facts = {"schema": SCHEMA, "model": self.model, "miss_bound": self.miss_bound, "keys": list(self.keys)}
        return {_KEY: json.dumps(facts, sort_keys=True).encode()}


def read_marks(schema: pa.Schema, *, name: str, kind: str = SCHEMA) -> Marks:
    """Return the marks of a table of counts, or of another `kind` that has them.

    Raises:
        DataError: it has none.
    """
    try:
        facts = json.loads((schema.metadata or {})[_KEY])
        if facts["schema"] != kind:
            raise ValueError(facts["schema"])
        return Marks(str(facts["model"]), float(facts["miss_bound"]), tuple(map(str, facts["keys"])))
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{name} holds no counts of this version", hint="vibe-router histograms writes them") from error


def count_rows(table: pa.Table, options: CountOptions, *, split: bool = True) -> pa.Table:
    """Return the counts of routed rows; those without a score do not count.

    With `split` False all rows are of the part to choose on, for tables that do not hold the text.

    Raises:
        UsageError: a column is missing or there twice, or of a type that is no key, no text or no label.
        DataError: the rows are of more than one bundle or of none, or a score or a label is not a number in its range.
    """
    labels = () if options.label is None else (options.label,)
    texts = (options.text,) if split else ()
    for name in ("logit", "bundle", *options.by, *labels, *texts):
        if (count := table.schema.names.count(name)) != 1:
            many = "more than one" if count else "no"
            known = ", ".join(table.schema.names)
            raise UsageError(f"the results have {many} column {name!r}", hint=f"they have: {known}")
    for name in options.by:
        unfit = any(is_kind(table.schema.field(name).type) for is_kind in _LEFT_OUT)
        if name in _OWN or unfit or options.by.count(name) > 1:
            raise _no_key(name)
    scored = table.filter(pc.is_valid(table.column("logit")))
    marks = Marks(_model(scored), options.miss_bound, options.by)
    held_out = rows_to_check_on(scored, options.text) if split else np.zeros(scored.num_rows, bool)
    label = _labels(scored, options.label) if options.label else pa.nulls(scored.num_rows, pa.float64())
    rows = {name: _keys(scored, name) for name in options.by}
    rows |= {
        "held_out": held_out,
        "bin": _bins(scored),
        "count": np.ones(scored.num_rows, np.int64),
        "labelled": pc.is_valid(label).cast(pa.int64()),
        "severe": pc.fill_null(pc.greater_equal(label, options.miss_bound), False).cast(pa.int64()),
    }
    return _summed(pa.table(rows), marks)


def merge_counts(tables: Iterable[pa.Table]) -> pa.Table:
    """Return the sum of tables of counts: the same bytes in any order.

    Raises:
        DataError: they are of different bundles, keys or miss bounds.
    """
    found = [(table, read_marks(table.schema, name="a table")) for table in tables]
    full = [one for one in found if one[0].num_rows] or found[:1]
    if not full:
        raise DataError("there are no counts", hint="vibe-router histograms writes them")
    marks = full[0][1]
    for _, other in full:
        if other != marks:
            raise DataError(
                "histograms of different bundles, keys or miss bounds cannot be merged",
                hint="collect all of them with one bundle and the same options",
            )
    return _summed(pa.concat_tables(table.replace_schema_metadata() for table, _ in full), marks)


def sample_of(table: pa.Table, where: Mapping[str, str]) -> ScoreSample:
    """Return the sample of the rows whose keys are those of `where`; keys that it does not name are added up.

    Raises:
        UsageError: there is no such key, or no row has that value.
    """
    marks = read_marks(table.schema, name="the table")
    for key, value in where.items():
        if key not in marks.keys:
            raise UsageError(f"the histograms have no key {key!r}", hint=f"keys: {', '.join(marks.keys) or 'none'}")
        table = table.filter(pc.equal(table.column(key), value))
        if not table.num_rows:
            raise UsageError(f"no row has {key}={value}", hint="values are compared as text")
    labelled = pc.sum(table.column("labelled")).as_py() or 0
    choose, check = (_part(table.filter(pc.equal(table.column("held_out"), side))) for side in (False, True))
    return ScoreSample(
        model=marks.model,
        held_out_share=HELD_OUT_SHARE,
        miss_bound=marks.miss_bound,
        labelled=labelled,
        choose=choose,
        check=check,
    )


def _part(table: pa.Table) -> Part:
    bins = table.column("bin").to_numpy()

    def histogram(name: str) -> ScoreHistogram:
        counts = np.zeros(BINS, np.int64)
        np.add.at(counts, bins, table.column(name).to_numpy())
        return ScoreHistogram(counts)

    return Part(histogram("count"), histogram("severe"))


def _model(scored: pa.Table) -> str:
    """Return the bundle of all rows, an empty text where there are none."""
    models = pc.unique(_keys(scored, "bundle")).to_pylist()
    if len(models) > 1:
        raise DataError("the results are of more than one bundle", hint="count the results of each for themselves")
    if None in models:
        raise DataError("the results do not say of which bundle they are", hint=_ROUTE_AGAIN)
    return str(models[0]) if models else ""


def _keys(scored: pa.Table, name: str) -> pa.ChunkedArray:
    try:
        keys = scored.column(name).cast(pa.string())
        keys.validate(full=True)  # bytes that are not UTF-8
    except pa.ArrowException as error:
        raise _no_key(name) from error
    return keys


def _no_key(name: str) -> UsageError:
    return UsageError(
        f"{name!r} cannot be a key", hint="a key is a text, a number, a date or a truth value, named once"
    )


def _bins(scored: pa.Table) -> np.ndarray[tuple[int, ...], np.dtype[np.uint16]]:
    logits = scored.column("logit")
    if logits.type not in (pa.float32(), pa.float64()) or pc.any(pc.is_nan(logits)).as_py():
        raise DataError("a logit of the results is not a number", hint=_ROUTE_AGAIN)
    return bins_of(logits.to_numpy())


def _labels(scored: pa.Table, name: str) -> pa.ChunkedArray:
    """Return labels as float64, null where a row has none."""
    kind = scored.column(name).type
    if not any(is_kind(kind) for is_kind in _NUMBERS):
        raise UsageError(f"the column {name!r} is of type {str(kind)[:64]}, not of labels", hint=_LABEL_HINT)
    labels = scored.column(name).cast(pa.float64(), safe=False)
    in_range = pc.and_(pc.greater_equal(labels, 0.0), pc.less_equal(labels, 1.0))
    if pc.any(pc.invert(in_range)).as_py():
        raise DataError(f"a label in {name!r} is not between 0 and 1", hint=_LABEL_HINT)
    return labels


def rows_to_check_on(scored: pa.Table, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Return which rows are of the part to check on, by the hash of the prompts or conversations in a column.

    Raises:
        UsageError: the column holds neither.
    """
    column = scored.column(name)
    try:
        if pa.types.is_temporal(column.type):
            raise TypeError(column.type)
        return np.array([is_for_checking(_as_text(cell)) for cell in without_times(column).to_pylist()], bool)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise UsageError(f"{name!r} holds neither prompts nor conversations", hint="--text names the column") from error


def _as_text(cell: Any) -> str:
    """Return a prompt, or a conversation as JSON, for its hash."""
    return cell if isinstance(cell, str) else json.dumps(cell, sort_keys=True)


def _summed(rows: pa.Table, marks: Marks) -> pa.Table:
    groups = [*marks.keys, "held_out", "bin"]
    summed = rows.group_by(groups, use_threads=False).aggregate([(name, "sum") for name in _COUNTS])
    columns = [*(summed.column(name) for name in groups), *(summed.column(f"{name}_sum") for name in _COUNTS)]
    table = pa.Table.from_arrays(columns, names=[*groups, *_COUNTS])
    ordered = table.sort_by([(name, "ascending") for name in groups])
    return ordered.combine_chunks().replace_schema_metadata(marks.write())
