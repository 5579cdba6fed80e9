"""A bundle whose scores are the same bits everywhere, and logs for it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.prompts import mixed_prompts
from vibe_router import Decision, Router
from vibe_router.bundle.identity import model_identity
from vibe_router.integrations.arrow import OUTPUT


def write_logs(folder: Path, rows: int, *, files: int = 8) -> pa.Table:
    """Write `rows` prompts into files of several row groups, and return them as one table with an `id`."""
    # Cut, because long ones take most of the time and prove nothing more.
    table = pa.table({"id": range(rows), "prompt": [prompt[:40] for prompt in mixed_prompts(rows, seed=5)]})
    folder.mkdir(parents=True, exist_ok=True)
    each = -(-rows // files)
    for index in range(files):
        part = table.slice(index * each, each)
        pq.write_table(part, folder / f"{index:03d}.parquet", row_group_size=max(each // 4, 1))
    return table


def row_of(decision: Decision, identity: str) -> dict[str, object]:
    """Return the columns that a decision becomes."""
    return {
        "p_cloud": decision.p_cloud,
        "logit": decision.logit,
        "target": decision.target.value,
        "tokens": decision.tokens,
        "truncated": decision.truncated,
        "reason": decision.reason.value,
        "error": None,
        "bundle": identity,
    }


def expected_rows(router: Router, table: pa.Table) -> list[dict[str, object]]:
    """Return what the rows must be, by `route_many`'s own decisions."""
    identity = model_identity(router.bundle.manifest)
    decisions = router.route_many(table.column("prompt").to_pylist())
    return [{"id": row, **row_of(decision, identity)} for row, decision in enumerate(decisions)]


def read_rows(folder: Path) -> list[dict[str, object]]:
    """Return the rows of all Parquet files below a folder, by id."""
    tables = [pq.ParquetFile(path).read(["id", *OUTPUT.names]) for path in sorted(folder.rglob("*.parquet"))]
    rows: list[dict[str, object]] = pa.concat_tables(tables).sort_by("id").to_pylist()
    return rows
