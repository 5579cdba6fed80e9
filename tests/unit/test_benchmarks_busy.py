"""Calls beside busy neighbours become a table, and the README's line of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.peers.busy import BusyResult, Load
from benchmarks.peers.contenders.registry import ALL
from benchmarks.report.busy import busy_line, busy_table
from benchmarks.report.sections import read_results, sections
from benchmarks.results_file import write_result
from tests.support.machine import MACHINE

NONE, SPINNING = Load(kind="none", count=0), Load(kind="spinning", count=1)


def content() -> dict[str, Any]:
    result = BusyResult({"command": "busy", "name": "small", "machine": MACHINE}, {"calls": 3, "rounds": 1})
    result.contenders = [{"key": key, "label": ALL[key].label} for key in ALL]
    for threads in (1, 2):
        for key, factor, speed in (("ours-native", 1.0, 0.9), ("openvino-int8", 3.0, 0.6)):
            for tokens in (16, 128):
                seconds = factor * tokens / 1e3 / threads
                answer = {"seconds": [seconds, seconds * 2, seconds * 3], "cpu_seconds": [seconds] * 3}
                result.add(NONE, key, threads, tokens, answer, None)
                result.add(SPINNING, key, threads, tokens, {**answer, "seconds": [2 * seconds] * 3}, speed)
    return result.content()


def test_the_line_compares_alone_and_beside_a_neighbour_with_the_most_threads() -> None:
    assert busy_line(content()) == (
        "- Next to one busy process it takes 16.0 ms at 16 and 128.0 ms at 128 tokens, where alone it takes 16.0 and "
        "128.0; OpenVINO int8 weights, dynamic, 48.0 and 384.0 (small size, 2 threads offered, A CPU, avx2 only).\n"
    )


def test_there_is_no_line_without_a_call_beside_a_neighbour() -> None:
    whole = content()
    assert busy_line(whole | {"summary": [row for row in whole["summary"] if row["count"] == 0]}) == ""


def test_the_table_has_a_row_for_each_load_engine_and_number_of_threads() -> None:
    columns, rows = busy_table(content())
    times = ["16 tokens", "128 tokens", "CPU ms, 16", "CPU ms, 128"]
    assert columns[3:] == [*times, "neighbours' speed", "their loss, 128"]
    assert len(rows) == 8
    assert rows[0] == [
        "none",
        ALL["openvino-int8"].label,
        "1",
        "96.0 (p99 143.0)",
        "768.0 (p99 1144.3)",
        "48.0",
        "384.0",
        "",
        "",
    ]
    assert rows[-1][:3] == ["1 spinning", ALL["ours-native"].label, "2"]
    # A tenth of the neighbour's speed is gone for 128 ms.
    assert rows[-1][-2:] == ["90%", "13"]


def test_the_documents_take_both_from_the_file(tmp_path: Path) -> None:
    write_result(tmp_path / "busy-small.json", content())
    texts = sections(read_results(tmp_path))
    assert texts["summary"] == busy_line(content())
    assert "1 spinning" in texts["busy"]
