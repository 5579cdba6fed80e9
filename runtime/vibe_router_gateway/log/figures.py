"""Sums over the log: for the status page, `vibe-router log stats`, and the day's budget."""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vibe_router.errors import DataError
from vibe_router.real_number import real_number
from vibe_router_gateway.budget import day_start
from vibe_router_gateway.log.checked import checked_row
from vibe_router_gateway.log.schema import open_log

_BINS = 50
_LAST = 20
_DAY_S = 86400


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Give the log at `path`, whose rows can be asked by name.

    Raises:
        DataError: as `open_log`, or SQLite cannot read it, or a value is none that the log writes.
    """
    connection = open_log(path)
    connection.row_factory = sqlite3.Row
    try:
        yield connection
    except (sqlite3.Error, ValueError, TypeError, LookupError, OverflowError) as error:
        raise DataError(f"the log {path} cannot be read: {error}", hint="is the file damaged?") from error
    finally:
        connection.close()


def used_today(path: Path) -> tuple[int, float]:
    """Return how many requests the cloud has answered on this UTC day, and what they cost."""
    with reading(path) as log:
        row = log.execute(
            "SELECT count(*), coalesce(sum(cost), 0) FROM decisions WHERE time >= ? AND side = 'cloud'", (day_start(),)
        ).fetchone()
        return int(row[0]), _finite(row[1])


def status_figures(path: Path) -> dict[str, Any]:
    """Return today's counts, the histogram of the scores of 30 days, latencies and the last decisions."""
    now = time.time()
    with reading(path) as log:
        counted = log.execute(
            "SELECT side, outcome, count(*) AS n, coalesce(sum(cost), 0) AS cost FROM decisions "
            "WHERE time >= ? GROUP BY side, outcome",
            (day_start(now),),
        )
        today = [checked_row(row) for row in counted]
        bins = log.execute(
            "SELECT min(CAST(p_cloud * ? AS INTEGER), ?) AS bin, count(*) AS n FROM decisions "
            "WHERE p_cloud IS NOT NULL AND time >= ? GROUP BY bin",
            (_BINS, _BINS - 1, now - 30 * _DAY_S),
        ).fetchall()
        costs = log.execute(
            "SELECT avg(cost) FROM decisions WHERE side = 'cloud' AND time >= ?", (now - 30 * _DAY_S,)
        ).fetchone()
        cost = _finite(costs[0] or 0.0)
        newest = log.execute(
            "SELECT id, time, asked_model, target, side, reason, p_cloud, threshold, outcome, code, score_ms, "
            f"first_byte_ms, total_ms FROM decisions ORDER BY time DESC LIMIT {_LAST}"
        )
        last = [checked_row(row) for row in newest]
        latencies = {side: _quantiles(log, side, now - _DAY_S) for side in ("device", "cloud")}
        score_ms = _quantiles_of(log, "score_ms", "score_ms IS NOT NULL AND time >= ?", (now - _DAY_S,))
    histogram = [0] * _BINS
    for row in bins:
        histogram[max(0, row["bin"])] = row["n"]
    return {
        "today": today,
        "histogram": histogram,
        "cost_of_a_cloud_request": cost,
        "latencies_ms": latencies,
        "score_ms": score_ms,
        "last": last,
    }


def summary(path: Path, *, days: float) -> dict[str, Any]:
    """Return counts of the last `days` by side, reason and outcome, cost, feedback, and what the log lost."""
    since = time.time() - days * _DAY_S
    with reading(path) as log:
        told: dict[str, Any] = {"days": days}
        for column in ("side", "target", "reason", "outcome"):
            found = log.execute(
                f"SELECT coalesce({column}, 'none') AS name, count(*) AS n FROM decisions "
                "WHERE time >= ? GROUP BY name ORDER BY n DESC",
                (since,),
            )
            told[column] = {row["name"]: row["n"] for row in map(checked_row, found)}
        row = log.execute(
            "SELECT count(*) AS n, coalesce(sum(cost), 0) AS cost, coalesce(sum(input_tokens), 0) AS input_tokens, "
            "coalesce(sum(output_tokens), 0) AS output_tokens FROM decisions WHERE time >= ?",
            (since,),
        ).fetchone()
        told |= checked_row(row)
        told["latencies_ms"] = {side: _quantiles(log, side, since) for side in ("device", "cloud")}
        votes = log.execute(
            "SELECT better AS name, count(*) AS n FROM feedback WHERE time >= ? GROUP BY better", (since,)
        )
        told["feedback"] = {vote["name"]: vote["n"] for vote in map(checked_row, votes)}
        lost = log.execute("SELECT coalesce(sum(count), 0) FROM losses WHERE time >= ?", (since,)).fetchone()
        killed = log.execute(
            "SELECT count(*) FROM decisions WHERE outcome = 'open' AND run < (SELECT max(id) FROM runs) AND time >= ?",
            (since,),
        ).fetchone()
        told |= {"lost_rows": int(_finite(lost[0])), "interrupted": killed[0]}
    return told


def _quantiles(log: sqlite3.Connection, side: str, since: float) -> dict[str, float | None]:
    return _quantiles_of(log, "first_byte_ms", "side = ? AND first_byte_ms IS NOT NULL AND time >= ?", (side, since))


def _quantiles_of(
    log: sqlite3.Connection, column: str, condition: str, values: tuple[object, ...]
) -> dict[str, float | None]:
    """Return median and p99 of a column, by rank, None where there are no rows."""
    (count,) = log.execute(f"SELECT count(*) FROM decisions WHERE {condition}", values).fetchone()
    found: dict[str, float | None] = {"median": None, "p99": None}
    for name, share in (("median", 0.5), ("p99", 0.99)):
        if count:
            row = log.execute(
                f"SELECT {column} FROM decisions WHERE {condition} ORDER BY {column} LIMIT 1 OFFSET ?",
                (*values, math.ceil(share * count) - 1),
            ).fetchone()
            found[name] = round(_finite(row[0]), 3)
    return found


def _finite(value: object) -> float:
    """Return a sum or a time that JSON can hold.

    Raises:
        ValueError: it is none.
    """
    number = real_number(value)
    if not math.isfinite(number):
        raise ValueError("a number of the log is none")
    return number
