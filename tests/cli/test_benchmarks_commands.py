"""`python -m benchmarks` writes results of a bundle alone, peers listed with the reason why they are not in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmarks.__main__ import build_app
from tests.support.bundles import write_bundle
from vibe_router_tools.measurement.cold import PHASES


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundles") / "tiny", max_tokens=64)


@pytest.fixture
def measure(tmp_path: Path, bundle: Path) -> Any:
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text("".join(json.dumps(f"what is {number}?") + "\n" for number in range(12)))
    output = tmp_path / "result.json"

    def run(command: str, *options: str, with_prompts: bool = True) -> dict[str, Any]:
        given = ["--prompts", str(prompts)] if with_prompts else []
        arguments = [command, str(bundle), "-o", str(output), "--engines", "ours-fp32", *given, *options]
        finished = CliRunner().invoke(build_app(), arguments, catch_exceptions=False)
        assert finished.exit_code == 0, finished.output
        content: dict[str, Any] = json.loads(output.read_text())
        return content

    return run


def test_latency(measure: Any) -> None:
    options = ("--threads", "1", "--lengths", "2,5", "--rounds", "1", "--calls", "2")
    content = measure("latency", *options, "--engines", "pytorch-fp32")
    assert [(row["tokens"], row["calls"]) for row in content["summary"]] == [(2, 2), (5, 2), (None, 4)]
    assert {entry["key"]: entry["status"] for entry in content["contenders"]} == {
        "ours-fp32": "measured",
        "pytorch-fp32": "not here",
    }
    assert content["machine"]["cpu"]
    again = measure("latency", *options)
    assert again["rounds"] == {"1": 2}
    assert [row["calls"] for row in again["summary"]] == [4, 4, 8]


def test_busy(measure: Any) -> None:
    options = ("--threads", "1", "--lengths", "5", "--rounds", "1", "--calls", "3")
    content = measure("busy", *options, "--kinds", "spinning,streaming", "--counts", "0,1")
    rows = {(row["neighbours"], row["count"]): row for row in content["summary"]}
    assert set(rows) == {("none", 0), ("spinning", 1), ("streaming", 1)}
    assert all(row["calls"] >= 1 and row["p99_ms"] >= row["median_ms"] > 0 for row in rows.values())
    assert rows["none", 0]["neighbours_speed"] is None
    # A turn of a tiny model can be shorter than one unit of a neighbour's work.
    assert all(row["neighbours_speed"] >= 0 for place, row in rows.items() if place[1])


def test_cold(measure: Any) -> None:
    content = measure("cold", "--runs", "1", with_prompts=False)
    (row,) = content["summary"]
    assert list(row["phases_ms"]) == list(PHASES)
    assert row["median_ms"] == pytest.approx(sum(row["phases_ms"].values()), abs=0.1)


def test_memory(measure: Any) -> None:
    content = measure("memory", "--calls", "40", "--max-tokens", "32", with_prompts=False)
    (row,) = content["summary"]
    assert row["peak"] is None or row["peak"] > 10e6
    assert len(row["resident"]) in (0, 40)


def test_throughput(measure: Any) -> None:
    content = measure("throughput", "--count", "10", "--ways", "batched", "--ways", "threads", "--rounds", "2")
    assert {row["way"] for row in content["summary"]} == {"batched", "threads"}
    assert len({row["cloud"] for row in content["summary"]}) == 1
    assert all(row["prompts"] == 10 for row in content["summary"])
    for row in content["summary"]:
        first, second = row["seconds"]
        assert row["prompts_a_second"] == pytest.approx(20 / (first + second), rel=0.01)
