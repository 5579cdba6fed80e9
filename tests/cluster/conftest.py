"""Logs for the clusters' tests, and what each row must become; made once for all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.native_logs import Logs, expected_rows, write_logs
from vibe_router import Router

FEW = 4_000
"""A few batches for two workers: seconds of work."""
MANY = 200_000
"""Enough for deaths in the middle of whatever a worker does; cut short, because only their number counts."""


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Logs:
    return _logs(tmp_path_factory.mktemp("few") / "logs", FEW, width=40)


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Logs:
    return _logs(tmp_path_factory.mktemp("many") / "logs", MANY, width=8)


def _logs(folder: Path, rows: int, *, width: int) -> Logs:
    table = write_logs(folder, rows, width=width)
    # Its threads do not change a bit of the scores.
    with Router.load(threads=2) as router:
        return Logs(folder, expected_rows(router, table))
