"""A bundle whose scores are the same bits everywhere, and logs for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.prompts import mixed_prompts
from vibe_router import Decision, Router
from vibe_router.bundle.identity import model_identity
from vibe_router.integrations.arrow import OUTPUT


@dataclass(frozen=True)
class Logs:
    """A folder of Parquet files, and the rows that routing them must give, in order."""

    folder: Path
    rows: list[dict[str, object]]


def write_logs(folder: Path, rows: int, *, files: int = 8, width: int = 40) -> pa.Table:
    """Write `rows` prompts into files of several row groups, and return them as one table with an `id`.

    They are cut to `width` characters, because long ones take most of the time and prove nothing more.
    """
    table = pa.table({"id": range(rows), "prompt": [prompt[:width] for prompt in mixed_prompts(rows, seed=5)]})
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
    rows: list[dict[str, object]] = read_table(folder).select(["id", *OUTPUT.names]).sort_by("id").to_pylist()
    return rows


def read_table(folder: Path) -> pa.Table:
    """Return all Parquet files below a folder, one after another by name, as they were written."""
    return pa.concat_tables(pq.ParquetFile(path).read() for path in sorted(folder.rglob("*.parquet")))


def contents(folder: Path) -> list[bytes]:
    """Return the bytes of the Parquet files below a folder, by name; the names themselves may hold chance."""
    return [path.read_bytes() for path in sorted(folder.rglob("*.parquet"))]


def pages(folder: Path) -> list[bytes]:
    """Return the Parquet files as `contents`, without their footers: all data, as it was encoded and compressed.

    Java's writer lists a column's encodings in an order that is another in each process.
    """
    return [content[: -8 - int.from_bytes(content[-8:-4], "little")] for content in contents(folder)]
