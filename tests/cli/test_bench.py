"""`vibe-router bench` measures what it says, on the tiny bundle."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.bundles import write_bundle
from tests.support.command_line import CommandLine
from vibe_router.engines.choice import EngineChoice
from vibe_router.errors import DataError, EngineError
from vibe_router.text.tokenizer import PromptTokenizer
from vibe_router_tools.measurement.cold import PHASES, ColdRequest, cold_start
from vibe_router_tools.measurement.cold_child import PhaseClock
from vibe_router_tools.measurement.machine import describe_machine
from vibe_router_tools.measurement.resident import current_resident, peak_resident
from vibe_router_tools.measurement.timing import summarize, time_calls
from vibe_router_tools.measurement.workload import of_every_length, sequences_of


@pytest.fixture
def command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(monkeypatch, capsys)


def test_json_has_every_length_the_bundle_takes(tmp_path: Path, command_line: CommandLine) -> None:
    bundle = write_bundle(tmp_path / "tiny", max_tokens=64)
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text('{"prompt": "hi"}\n"hello there"\n')
    finished = command_line(
        "bench", bundle, "--calls", "6", "--cold", "1", "--threads", "1", "--input", prompts, "--json"
    )
    assert finished.code == 0
    report = json.loads(finished.out)
    assert list(report["latency"]) == ["2", "4", "5", "10", "16", "20", "30", "48", "64"]
    assert all(0 < row["median_ms"] <= row["p95_ms"] and row["calls"] == 6 for row in report["latency"].values())
    assert report["prompts"]["calls"] == 2
    assert list(report["cold"]["phases_ms"]) == list(PHASES)
    total = report["cold"]["total"]["median_ms"]
    assert sum(report["cold"]["phases_ms"].values()) == pytest.approx(total)
    assert total > 1
    assert report["threads"] == 1
    assert "onnxruntime" in report["machine"]["versions"]


def test_the_table_says_what_was_not_measured(tmp_path: Path, command_line: CommandLine) -> None:
    finished = command_line("bench", write_bundle(tmp_path / "tiny"), "--calls", "5", "--cold", "0")
    assert finished.code == 0
    assert "cold start: not measured (not asked for)" in finished.out
    assert "64 tokens" in finished.out


def test_a_file_without_prompts_is_refused(tmp_path: Path, command_line: CommandLine) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("\n")
    finished = command_line("bench", write_bundle(tmp_path / "tiny"), "--input", empty)
    assert (finished.code, "holds no prompts" in finished.error) == (1, True)


def test_a_cold_start_that_fails_says_why(tmp_path: Path) -> None:
    request = ColdRequest(EngineChoice(source=tmp_path / "none", threads=1), "hi")
    with pytest.raises(EngineError, match="no bundle at"):
        cold_start(request)


def test_a_frozen_program_does_not_start_itself(
    tmp_path: Path, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.frozen", True, raising=False)
    finished = command_line("bench", write_bundle(tmp_path / "tiny"), "--calls", "5")
    assert finished.code == 0
    assert "cold start: not measured (a frozen program has no interpreter to start)" in finished.out


def test_inner_phases_are_not_counted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 1.0, 4.0, 10.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(now))

    class Work:
        @staticmethod
        def outer() -> int:
            return Work.inner()

        @staticmethod
        def inner() -> int:
            return 7

    clock = PhaseClock()
    clock.wrap(Work, "outer", "out")
    clock.wrap(Work, "inner", "in")
    assert Work.outer() == 7
    assert dict(clock.seconds) == {"in": 3.0, "out": 7.0}


def test_sequences_have_their_lengths_and_their_ends(tmp_path: Path) -> None:
    tokenizer = PromptTokenizer((write_bundle(tmp_path / "tiny") / "tokenizer.json").read_bytes(), max_tokens=64)
    start, end = tokenizer.encode("").ids
    sequences = sequences_of(tokenizer, ["hi there", "what is it"], (2, 5, 300))
    assert {count: len(ids) for count, ids in sequences.items()} == {2: 2, 5: 5, 300: 300}
    assert all(ids[0] == start and ids[-1] == end for ids in sequences.values())
    with pytest.raises(DataError, match="no tokens"):
        sequences_of(tokenizer, [""], (5,))


def test_timing_stops_at_its_limit_but_not_before_the_least(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    def tick() -> float:
        clock[0] += 0.5
        return clock[0]

    monkeypatch.setattr("time.perf_counter", tick)
    assert len(time_calls(lambda: None, calls=10, least=3, limit=0.1)) == 3
    assert len(time_calls(lambda: None, calls=10, limit=2.0)) == 4
    assert len(time_calls(lambda: None, calls=10)) == 10


def test_summary_is_median_10th_and_95th_percentile() -> None:
    timing = summarize([index / 1000 for index in range(101)])
    assert timing.calls == 101
    assert (timing.p10_ms, timing.median_ms, timing.p95_ms) == pytest.approx((10, 50, 95))


def test_even_choice_keeps_shortest_and_longest() -> None:
    prompts = ["x" * size for size in range(100, 0, -1)]
    assert [len(prompt) for prompt in of_every_length(prompts, 3)] == [1, 50, 100]
    assert len(of_every_length(prompts, 1000)) == 100


def test_memory_is_told_in_bytes() -> None:
    peak, current = peak_resident(), current_resident()
    assert peak is not None
    assert 10e6 < peak < 100e9
    assert current is None or 10e6 < current <= peak


def test_a_machine_is_described_on_systems_without_proc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("vibe_router_tools.measurement.machine._CPU_INFO", tmp_path / "none")
    facts = describe_machine()
    assert facts.cpu
    assert facts.instruction_sets == ()
    assert facts.cpus >= 1
