"""The figures of docs/scale.md: what starting takes is not counted as the cost of a row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.report.scale import SCALE
from benchmarks.scale.command import scale
from benchmarks.scale.measure import SHORT, folder_bytes, write_logs
from vibe_router.errors import UsageError


def result(**changes: Any) -> dict[str, Any]:
    content = {
        "command": "python -m benchmarks scale",
        "name": "nano",
        "prompts": "prompts.jsonl",
        "rows": 10_064,
        "batch": 4_096,
        "few": 64,
        "bytes_read": 1_006_400,
        "bytes_written": 2_012_800,
        "loading_s": 0.25,
        "machine": {"cpu": "a processor"},
        "rounds": [
            {"plain": {"few": 1.0, "all": 11.0}, "ray": {"few": 10.0, "all": 22.5}},
            {"route_many": {"few": 0.0, "all": 20.0}, "parquet": {"few": 0.5, "all": 20.5}},
        ],
        "memory": [{"rows": 100_000, "characters": SHORT, "peak_mib": 150.2, "seconds": 9.0}],
    }
    return content | changes


def test_a_slow_start_is_no_slow_rate() -> None:
    text = SCALE["scale-nano"](result())
    assert "| two plain processes, 1 thread each | 1,000.0 | 1.0 s | 914.9 |  | 1 |" in text
    assert "| Ray Data, two actors of 1 CPU | 800.0 | 10.0 s | 447.3 | 0.800 of two plain processes, 0.489" in text
    assert "| 500.0 | 0.5 s | 490.9 | 1.000 of `route_many`, 0.976 with the start | 1 |" in text
    assert "150 MiB with 100,000 rows, cut to 8 characters" in text


def test_a_billion_rows_and_a_thousand_workers_follow_from_the_plain_rate() -> None:
    text = SCALE["scale-nano"](result())
    # Two processes have 1,000 rows a second, so that a core has 500.
    assert "A core routes 500.0 rows a second: 556 core-hours for a billion rows." in text
    assert "33.3 minutes where work is even, 10.0 s to start" in text
    assert "4,096 rows, 8.2 s, at the end: 33.6 minutes, 99.1% of an ideal division." in text
    assert "300 bytes a row, 150.0 MB a second together" in text


def test_logs_hold_the_rows_that_were_asked_for(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    size = write_logs(tmp_path / "logs", ["a", "b", "c"], 20)
    assert size == folder_bytes(tmp_path / "logs") > 0
    table = pq.read_table(tmp_path / "logs")
    assert sorted(table.column("id").to_pylist()) == list(range(20))
    assert table.sort_by("id").column("prompt").to_pylist() == [*"abcabcabcabcabcabcab"]


def test_rounds_of_other_rows_are_not_mixed(tmp_path: Path) -> None:
    from benchmarks.results_file import write_result

    write_result(tmp_path / "scale.json", result())
    with pytest.raises(UsageError, match="other terms"):
        scale(rows=128, output=tmp_path / "scale.json")
