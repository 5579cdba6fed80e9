"""Results and counts that no command of this project wrote are refused by name."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vibe_router import Router
from vibe_router.errors import DataError, UsageError
from vibe_router.integrations.arrow import route_table
from vibe_router_tools.calibration.counting import read_sample
from vibe_router_tools.calibration.keyed import CountOptions, count_rows


@pytest.fixture(scope="module")
def routed(router: Router) -> pa.Table:
    return route_table(router, pa.table({"prompt": ["hi"], "p_teacher": [0.4], "day": pa.array([1], pa.int8())}))


ODD = {
    "bytes": pa.array([b"\xff"]),
    "map": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
    "pair": pa.array([[1, 2]], pa.list_(pa.int64(), 2)),
    "date": pa.array([0], pa.date32()),
    "name": pa.array(["a"]),
    "two": pa.array([2]),
    "nan": pa.array([float("nan")]),
    "none": pa.nulls(1, pa.string()),
    "half": pa.array([0.5], pa.float16()),
    "severe enough": pa.array([1], pa.int8()),
}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (CountOptions(by=("bytes",)), "'bytes' cannot be a key"),
        (CountOptions(by=("map",)), "'map' cannot be a key"),
        (CountOptions(by=("pair",)), "'pair' cannot be a key"),
        (CountOptions(by=("name", "name")), "'name' cannot be a key"),
        (CountOptions(text="date"), "'date' holds neither"),
        (CountOptions(text="bytes"), "'bytes' holds neither"),
        (CountOptions(label="name"), "of type string"),
        (CountOptions(label="date"), "of type date32"),
        (CountOptions(label="two"), "not between 0 and 1"),
        (CountOptions(label="nan"), "not between 0 and 1"),
    ],
)
def test_columns_of_other_kinds_are_refused_by_name(routed: pa.Table, options: CountOptions, said: str) -> None:
    table = routed.slice(0, 1)
    for name, column in ODD.items():
        table = table.append_column(name, column)
    with pytest.raises((UsageError, DataError), match=said):
        count_rows(table, options)
    for name, severe in (("half", 0), ("severe enough", 1), ("p_teacher", None)):
        counted = count_rows(table, CountOptions(label=name)).to_pylist()[0]
        assert (counted["labelled"], severe in (None, counted["severe"])) == (1, True)


@pytest.mark.parametrize(
    ("name", "column", "said"),
    [
        ("logit", ODD["nan"].cast(pa.float32()), "not a number"),
        ("logit", ODD["name"], "not a number"),
        ("logit", ODD["date"], "not a number"),
        ("bundle", ODD["none"], "do not say of which bundle"),
    ],
)
def test_results_that_no_router_wrote_are_refused(routed: pa.Table, name: str, column: pa.Array, said: str) -> None:
    table = routed.slice(0, 1)
    with pytest.raises(DataError, match=said):
        count_rows(table.set_column(table.schema.get_field_index(name), name, column), CountOptions())
    with pytest.raises(UsageError, match=f"more than one column '{name}'"):
        count_rows(table.append_column(name, column), CountOptions())


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("count", pa.array([-1]), "out of range"),
        ("count", pa.array([2**41]), "out of range"),
        ("severe", pa.array([2]), "out of range"),
        ("labelled", pa.array([2]), "out of range"),
        ("count", pa.nulls(1, pa.int64()), "a value is missing"),
        ("held_out", pa.nulls(1, pa.bool_()), "a value is missing"),
        ("bin", pa.array([2**16]), "another type"),
        ("bin", pa.array([1.5]), "another type"),
        ("count", pa.array(["many"]), "another type"),
        ("bin", None, "its columns"),
        ("day", None, "its columns"),
    ],
)
def test_a_file_of_counts_is_checked_before_they_are_summed(
    routed: pa.Table, tmp_path: Path, column: str, value: pa.Array | None, said: str
) -> None:
    counts = count_rows(routed, CountOptions(by=("day",))).slice(0, 1)
    damaged = counts.drop_columns(column)
    if value is not None:
        damaged = damaged.append_column(column, value)
    path = tmp_path / "counts.parquet"
    pq.write_table(damaged, path)
    with pytest.raises(DataError, match=said):
        read_sample([str(path)], {})
    pq.write_table(counts.replace_schema_metadata({b"vibe_router": b"[" * 100_000}), path)
    with pytest.raises(DataError, match="no counts of this version"):
        read_sample([str(path)], {})
    pq.write_table(counts.set_column(2, "bin", counts.column("bin").cast(pa.int32())), path)
    assert read_sample([str(path)], {}).total == counts.column("count")[0].as_py()
