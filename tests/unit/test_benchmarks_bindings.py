"""What is said of the bindings in other languages comes from what they answered, printed and took."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.clib.processes import FreshProcessError, memory_at_decision, milliseconds_to_decision
from benchmarks.conformance.agreement import with_golden, with_python
from benchmarks.conformance.bindings import BINDINGS, Outcome
from benchmarks.conformance.command import golden_digest
from benchmarks.report.clib import CLIB
from benchmarks.report.conformance import CONFORMANCE
from benchmarks.report.web import WEB

ANSWER = {"ids": [1, 2], "truncated": False, "p_cloud": 0.75, "threshold": 0.5, "target": "cloud"}
MACHINE = {"cpu": "a processor", "cpus": 2, "system": "a system"}


def test_answers_are_compared_with_python_and_with_the_reference() -> None:
    other = ANSWER | {"ids": [1, 3], "p_cloud": 0.25, "target": "device"}
    found = with_python([ANSWER, ANSWER | {"truncated": True}, other], [ANSWER] * 3)
    assert (found.prompts, found.same_ids, found.same_targets) == (3, 1, 2)
    assert found.max_abs_probability_difference == 0.5
    golden = [{"input_ids": [1, 2], "truncated": False, "logit": 0.0}]
    reference = with_golden([ANSWER, other], golden)
    # A probability of 0.5 is not above the threshold.
    assert (reference.prompts, reference.same_ids, reference.same_targets) == (1, 1, 0)
    assert reference.max_abs_probability_difference == 0.25
    with pytest.raises(ValueError, match="longer"):
        with_python([ANSWER], [ANSWER] * 2)


@pytest.mark.parametrize(
    ("key", "printed", "expected"),
    [
        ("c", "..F\n1 failed, 27 passed, 2 skipped in 3.21s\n", (27, 1, 2)),
        ("python", "tests/a.py\n== 1 error in 0.1s ==", (0, 1, 0)),
        ("node", "ok 1 - a\n# tests 9\n# pass 7\n# fail 1\n# cancelled 0\n# skipped 1\n", (7, 1, 1)),
        (
            "swift",
            "Executed 6 tests, with 0 failures\nExecuted 14 tests, with 1 test skipped and 2 failures",
            (11, 2, 1),
        ),
        ("swift", "error: it does not compile", (0, 1, 0)),
    ],
)
def test_what_tests_print_about_themselves_is_read(key: str, printed: str, expected: tuple[int, int, int]) -> None:
    passed, failed, skipped = expected
    assert BINDINGS[key].read(printed) == Outcome(passed=passed, failed=failed, skipped=skipped)


def conformance(digest: str) -> str:
    agreement = {"prompts": 2100, "same_ids": 2100, "same_targets": 2099, "max_abs_probability_difference": 1e-9}
    tests = {"passed": 14, "failed": 0, "skipped": 1}
    facts = {"label": "Swift", "version": "6.0", "bundle": "1", "golden_sha256": digest, "tests": tests}
    row: dict[str, Any] = facts | {"golden": agreement, "python": agreement}
    return CONFORMANCE["conformance"]({"machine": MACHINE, "bindings": [row]})


def test_a_row_counts_for_the_golden_file_that_it_was_found_with() -> None:
    assert "| Swift 6.0 | 2,100 of 2,100 | 2,099 of 2,100 | 1.0e-09 |" in conformance(golden_digest())
    stale = conformance("another")
    assert "- Swift has not been run with this `golden.jsonl`." in stale
    assert "| Swift" not in stale


def test_the_figures_of_the_c_library_come_from_their_result() -> None:
    took = {"vibe-route": 4.0, "imports-and-library": 90.0, "library": 40.0, "interpreter": 20.0}
    took |= {"router": 130.0, "router-in-python": 260.0, "command": 150.0, "command-in-python": 200.0}
    ways = [{"way": way, "least_ms": ms - 1, "median_ms": ms, "p90_ms": ms + 1} for way, ms in took.items()]
    bundle = {"name": "nano", "rounds": 60, "file_bytes": 3 * 2**20, "beside_the_file": 2**21, "ways": ways}
    text = CLIB["clib"]({"machine": MACHINE, "bundles": [bundle]})
    assert "| `vibe-route` | 3.0 | 4.0 | 5.0 |" in text
    assert "2.0 MiB of memory beside the mapped file of 3.0 MiB" in text
    assert "router takes 0.50 of the time" in text
    assert "`vibe-router route` 0.75" in text


def test_the_figures_of_the_web_module_come_from_their_result() -> None:
    times = {"least_ms": 1.0, "median_ms": 2.0, "p90_ms": 3.0}
    content = {
        **{"machine": MACHINE, "tokens": 16, "node": "20.0", "chromium": "140", "relaxed": True, "calls": 1200},
        **{"visits": 20, "gzipped": {"vibe_router.wasm": 57_000}, "file_bytes": 3_500_000},
        "prompt": {"c": {key: value / 4 for key, value in times.items()}, "node": times, "page": times},
        "first_decision": {"least_ms": 90.0, "median_ms": 100.0, "p90_ms": 110.0},
    }
    text = WEB["web"](content)
    assert "| Chromium 140, relaxed SIMD | 1.00 | 2.00 | 3.00 | 4.0 | 4.0 |" in text
    assert "median 100 ms, least 90, p90 110 (20 visits" in text


def test_a_fresh_process_is_timed_to_the_first_byte_that_it_writes() -> None:
    late = milliseconds_to_decision([sys.executable, "-c", "print(1, flush=True)"], os.environ)
    assert late > 1
    with pytest.raises(FreshProcessError):
        milliseconds_to_decision([sys.executable, "-c", ""], os.environ)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_memory_is_counted_without_the_mapped_file(tmp_path: Path) -> None:
    mapped = tmp_path / "mapped"
    mapped.write_bytes(b"1" * 2**24)
    reads = f"import mmap\nfile = open({json.dumps(str(mapped))}, 'rb')\nmemory = mmap.mmap(file.fileno(), 0, prot=1)\n"
    script = reads + "print(sum(memory[::4096]), flush=True)"
    found = memory_at_decision([sys.executable, "-c", script], mapped)
    assert found.resident - found.beside_the_file == 2**24
    with pytest.raises(FreshProcessError):
        memory_at_decision([sys.executable, "-c", ""], mapped)
