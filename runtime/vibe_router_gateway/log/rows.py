"""The log row by row: for `vibe-router log` and for calibration. SQLite is all that this needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vibe_router_gateway.log.checked import checked_row
from vibe_router_gateway.log.entry import COLUMNS
from vibe_router_gateway.log.figures import reading


@dataclass(frozen=True)
class LoggedScore:
    """A score of the log; `better` is the user's feedback, None where there is none."""

    p_cloud: float
    held_out: bool
    better: str | None


def last_rows(path: Path, count: int) -> list[dict[str, Any]]:
    """Return the last decisions, the newest first.

    Raises:
        DataError: there is no log, or it cannot be read.
    """
    with reading(path) as log:
        # Named one by one: a file of another's may lack some.
        found = log.execute(f"SELECT {', '.join(COLUMNS)} FROM decisions ORDER BY time DESC LIMIT ?", (count,))
        return [checked_row(row) for row in found]


def last_answers(path: Path, count: int) -> list[tuple[str, str]]:
    """Return id and side of the last answers of the responses API, oldest first.

    Raises:
        DataError: as `last_rows`.
    """
    with reading(path) as log:
        found = log.execute(
            "SELECT answer_id, side FROM decisions WHERE answer_id IS NOT NULL AND side IN ('device', 'cloud') "
            "ORDER BY time DESC LIMIT ?",
            (count,),
        )
        rows = [checked_row(row) for row in found]
    return [(row["answer_id"], row["side"]) for row in reversed(rows)]


def iterate_rows(path: Path, *, since: float) -> Iterator[dict[str, Any]]:
    """Yield all decisions from `since` (Unix seconds) on, oldest first, with feedback and text.

    Raises:
        DataError: as `last_rows`.
    """
    with reading(path) as log:
        yield from (
            checked_row(row)
            for row in log.execute(
                "SELECT decisions.*, feedback.better, prompts.body AS request FROM decisions "
                "LEFT JOIN feedback USING (id) LEFT JOIN prompts USING (id) WHERE decisions.time >= ? "
                "ORDER BY decisions.time",
                (since,),
            )
        )


def iterate_scores(path: Path, *, scorer: str) -> Iterator[LoggedScore]:
    """Yield the scores that the model `scorer` gave; those of other models lie on other scales.

    Raises:
        DataError: as `last_rows`.
    """
    with reading(path) as log:
        found = log.execute(
            "SELECT p_cloud, held_out, better FROM decisions LEFT JOIN feedback USING (id) "
            "WHERE scorer = ? AND p_cloud IS NOT NULL AND held_out IS NOT NULL ORDER BY decisions.time",
            (scorer,),
        )
        for row in map(checked_row, found):
            if not 0.0 <= row["p_cloud"] <= 1.0:
                raise ValueError("a score is not between 0 and 1")
            yield LoggedScore(float(row["p_cloud"]), bool(row["held_out"]), row["better"])


def delete_rows(path: Path, *, before: float | None, only_prompts: bool) -> int:
    """Delete rows older than `before` (None: all) and overwrite their place in the file; return how many.

    Raises:
        DataError: as `last_rows`.
    """
    tables = ("prompts",) if only_prompts else ("prompts", "feedback", "decisions", "losses")
    deleted = 0
    with reading(path) as log:
        for table in tables:
            condition, values = ("", ()) if before is None else (" WHERE time < ?", (before,))
            deleted += log.execute(f"DELETE FROM {table}{condition}", values).rowcount
        # The write-ahead log still has the old pages until they are brought back into the file.
        log.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return deleted
