"""A bundle whose scores are the same bits everywhere, and logs for it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.prompts import mixed_prompts
from vibe_router import Router
from vibe_router.integrations.arrow import OUTPUT, route_table


def write_logs(folder: Path, rows: int, *, files: int = 8) -> pa.Table:
    """Write `rows` prompts into files of several row groups, and return them as one table with an `id`."""
    table = pa.table({"id": range(rows), "prompt": mixed_prompts(rows, seed=5)})
    folder.mkdir(parents=True, exist_ok=True)
    each = -(-rows // files)
    for index in range(files):
        part = table.slice(index * each, each)
        pq.write_table(part, folder / f"{index:03d}.parquet", row_group_size=max(each // 4, 1))
    return table


def expected_rows(router: Router, table: pa.Table) -> list[dict[str, object]]:
    """Return what the rows must be, by `route_many`'s own decisions."""
    routed = route_table(router, table)
    decisions = router.route_many(table.column("prompt").to_pylist())
    assert routed.column("logit").to_pylist() == [decision.logit for decision in decisions]
    assert routed.column("target").to_pylist() == [decision.target.value for decision in decisions]
    rows: list[dict[str, object]] = routed.select(["id", *OUTPUT.names]).to_pylist()
    return rows


def read_rows(folder: Path) -> list[dict[str, object]]:
    """Return the rows of all Parquet files below a folder, by id."""
    tables = [pq.ParquetFile(path).read(["id", *OUTPUT.names]) for path in sorted(folder.rglob("*.parquet"))]
    rows: list[dict[str, object]] = pa.concat_tables(tables).sort_by("id").to_pylist()
    return rows
