"""Samples become medians, ratios, floors and documentation as they should."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.__main__ import build_app
from benchmarks.markdown import markdown
from benchmarks.peers import limits_child
from benchmarks.peers.contenders.registry import ALL
from benchmarks.peers.latency_result import LatencyResult
from benchmarks.peers.limits import floor_seconds, floors, work_of
from benchmarks.peers.memory import fit_slope
from benchmarks.peers.results import read_to_add
from benchmarks.peers.tables import latency_table
from benchmarks.report.coreml import COREML
from benchmarks.report.files import file_sections
from benchmarks.report.hardening import HARDENING
from benchmarks.report.plot import plot_latency
from benchmarks.report.sections import fill, read_results, sections
from benchmarks.results_file import write_result
from native.fuzz.run import TargetRun
from tests.support.checkpoints import small_config
from tests.support.machine import MACHINE
from vibe_router.errors import DataError, UsageError
from vibe_router_export.checkpoint.config import parse_config

HEAD = {"command": "latency", "name": "small", "machine": MACHINE, "source": {"checkpoint": "small", "bundle": None}}
SETTINGS = {"baseline": "optimum-fp32"}


def result() -> LatencyResult:
    content = LatencyResult(HEAD, SETTINGS)
    content.contenders = [{"key": key, "label": ALL[key].label, "status": "measured", "detail": ""} for key in ALL]
    for tokens, scale in ((4, 1.0), (16, 2.0), (None, 3.0)):
        for key, milliseconds in (("ours-int8", 2.0), ("optimum-fp32", 6.0), ("pytorch-fp32", 10.0)):
            logit = None if tokens is None else 1.0 + 0.125 * (key == "ours-int8")
            seconds = [scale * milliseconds * factor / 1e3 for factor in (1, 0.5, 4)]
            content.add(key, threads=1, tokens=tokens, seconds=seconds, logit=logit)
    content.finish_round(1)
    return content


def test_medians_ratios_and_logit_differences() -> None:
    rows = {(row["key"], row["tokens"]): row for row in result().summary()}
    assert len(rows) == 9
    ours = rows["ours-int8", 16]
    assert (ours["median_ms"], ours["times_faster"], ours["logit_difference"]) == (4.0, 3.0, 0.125)
    assert rows["optimum-fp32", None]["times_faster"] == 1.0
    assert rows["ours-int8", None]["logit_difference"] is None
    assert ours["p95_ms"] > 3 * ours["median_ms"]
    assert ours["p10_ms"] == pytest.approx(2.4)


def test_a_result_goes_on_where_its_file_ended(tmp_path: Path) -> None:
    path = tmp_path / "latency.json"
    write_result(path, result().content())
    again = LatencyResult.resume(HEAD, SETTINGS, read_to_add(path, HEAD, fresh=False))
    assert again.rounds(1) == 1
    assert again.summary() == result().summary()
    again.add("ours-int8", threads=1, tokens=4, seconds=[0.008, 0.008], logit=1.125)
    assert next(row for row in again.summary() if row["key"] == "ours-int8")["calls"] == 5
    assert read_to_add(path, HEAD, fresh=True) is None
    with pytest.raises(UsageError, match="holds another machine"):
        read_to_add(path, HEAD | {"machine": MACHINE | {"cpu": "another"}}, fresh=False)
    path.write_text("[1]")
    with pytest.raises(DataError, match="not a result"):
        read_to_add(path, HEAD, fresh=False)


def test_tables_have_a_row_a_contender_that_was_measured() -> None:
    columns, rows = latency_table(result().content(), threads=1)
    assert columns == ["", "4", "16", "prompts", "max |dlogit|"]
    assert rows[0] == ("vibe-router int8", "2.00", "4.00", "6.00", "1.2e-01")
    assert [row[0] for row in rows] == ["vibe-router int8", "PyTorch fp32", "optimum-onnx fp32"]
    assert markdown((columns, rows)).splitlines()[0] == "|  | 4 | 16 | prompts | max \\|dlogit\\| |"


def test_documents_are_filled_between_their_markers(tmp_path: Path) -> None:
    write_result(tmp_path / "latency-small.json", result().content())
    (tmp_path / "older.json").write_text('{"checkpoints": []}')
    generated = sections(read_results(tmp_path))
    text = "a\n<!-- begin ratios -->\nstale\n<!-- end ratios -->\nb\n<!-- begin cold -->\n<!-- end cold -->\n"
    filled = fill(text, generated)
    assert "| optimum-onnx fp32 | 3.00 | 3.00 | 3.00 |" in filled
    assert "| PyTorch fp32 | 5.00 |" in filled
    assert "stale" not in filled
    assert "Not measured yet." in filled
    assert fill(filled, generated) == filled
    with pytest.raises(DataError, match="'colder'"):
        fill("<!-- begin colder -->\n<!-- end colder -->", generated)


def test_speed_is_told_against_the_native_engine_where_it_was_measured(tmp_path: Path) -> None:
    write_result(tmp_path / "latency-a.json", result().content())
    assert "as long as `vibe-router int8`" in sections(read_results(tmp_path))["speed"]
    native = result()
    native.add("ours-native", threads=1, tokens=4, seconds=[0.001], logit=1.0)
    write_result(tmp_path / "latency-b.json", native.content())
    speed = sections(read_results(tmp_path))["speed"]
    assert speed.count("How many times as long as") == speed.count("`vibe-router native int8`") == 1
    assert "| vibe-router int8 | 2.00 |" in speed


def test_a_machine_is_named_once_with_every_version_that_was_measured_on_it() -> None:
    versions = MACHINE["versions"]
    results: list[dict[str, Any]] = [
        {"command": "memory", "machine": MACHINE | {"versions": {**versions, "torch": "2.14"}}},
        {"command": "cold", "machine": MACHINE | {"versions": {**versions, "torch": "2.13", "nncf": "3"}}},
        {"command": "cold", "machine": MACHINE | {"cpu": "another"}},
    ]
    ours, another = sections({"other": results})["machines"].splitlines()
    assert ours.startswith(f"- {MACHINE['cpu']}, ")
    assert ours.endswith(", torch 2.13 or 2.14, nncf 3")
    assert another.startswith("- another, ")


def test_the_committed_documents_quote_the_committed_results() -> None:
    finished = CliRunner().invoke(build_app(), ["report", "--check"])
    assert finished.exit_code == 0, finished.output


def test_the_plot_says_what_is_quoted(tmp_path: Path) -> None:
    plot_latency(result().content(), tmp_path / "plot.svg", threads=1)
    text = (tmp_path / "plot.svg").read_text()
    assert re.search(r"quoted from the model card: PyTorch on H200", text)
    assert "vibe-router int8" in text


def test_the_work_of_a_prompt_counts_pairs_within_the_window() -> None:
    config = parse_config(json.dumps(small_config()))
    for tokens in (1, 5, 40):
        pairs = 0
        for layer in config.layers:
            near = np.abs(np.subtract.outer(np.arange(tokens), np.arange(tokens)))
            pairs += int((near <= (tokens if layer.window is None else layer.window)).sum())
        assert work_of(config, tokens).attention_operations == 4 * config.hidden_size * pairs
    work = work_of(config, 40)
    assert work.weights == 4 * (4 * 48 * 48 + 3 * 48 * 64) + 48 * 48 + 48


def test_a_floor_is_reading_or_computing() -> None:
    config = parse_config(json.dumps(small_config()))
    work = work_of(config, 10)
    reading = {"bandwidth": {"a": 1.0, "b": 2.0}, "fp32": {"a": 1e30}}
    computing = {"bandwidth": {"a": 1e30}, "fp32": {"a": 2.0, "b": 4.0}, "int8": {"a": 8.0}}
    assert floor_seconds(ALL["ours-fp32"], work, reading) == pytest.approx(work.weights * 4 / 2)
    expected = work.linear_operations / 8 + work.attention_operations / 4
    assert floor_seconds(ALL["ours-int8"], work, computing) == pytest.approx(expected)
    assert floor_seconds(ALL["ours-int8"], work, reading) is None
    rows = floors(ALL, config, result().content(), {1: computing})
    assert {row["key"] for row in rows} == {"ours-int8", "optimum-fp32", "pytorch-fp32"}
    assert all(row["times_floor"] == round(row["median_ms"] / row["floor_ms"], 2) for row in rows)


def test_rates_are_measured_with_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits_child, "_BANDWIDTH_BYTES", 2**16)
    monkeypatch.setattr(limits_child, "_ROWS", 64)
    monkeypatch.setattr(limits_child, "_SIDE", 64)
    monkeypatch.setattr(limits_child, "missing", lambda modules: [name for name in modules if name == "torch"])
    rates = limits_child.rates(1)
    assert set(rates) == {"bandwidth", "fp32", "int8"}
    assert all(rate > 1e3 for libraries in rates.values() for rate in libraries.values())


def test_slopes_tell_growth_from_noise() -> None:
    random = np.random.default_rng(0)
    walk = (50e6 + 4096 * random.integers(-4, 5, 200)).astype(int)
    still = fit_slope(walk.tolist(), every=100)
    assert still.zero_inside
    assert still.samples == 180
    leak = fit_slope((walk + 100 * 30 * np.arange(200)).tolist(), every=100)
    assert not leak.zero_inside
    assert leak.low < 30 < leak.high
    settling: list[Any] = [10e6 * step for step in range(20)] + [200e6] * 180
    assert fit_slope(settling, every=100).bytes_a_call == pytest.approx(0, abs=1e-6)

    constant = fit_slope([255_967_232] * 200, every=100)
    assert constant.bytes_a_call == 0
    assert constant.zero_inside


def test_the_tables_of_hostile_inputs_come_from_their_results(tmp_path: Path) -> None:
    outcomes = {"accepted": 1000, "crash": 0}
    targets = {name: {"inputs": 1000, "outcomes": outcomes} for name in ("golden", "onnx")}
    (tmp_path / "fuzz.json").write_text(json.dumps({"targets": targets}))
    export = {"window": "from start to end", "found": "old, whole", "left": 1}
    kills = {"exports": [export, export], "left_after_cleaning": 0, "last_export_whole": True}
    for name in ("kill-exports", "kill-coreml-exports"):
        (tmp_path / f"{name}.json").write_text(json.dumps(kills))
    runs = {
        "file": asdict(TargetRun(inputs=1909, seconds=20, processor_seconds=10, status=77)),
        "text": asdict(TargetRun(inputs=250, seconds=60, processor_seconds=5, status=0)),
    }
    (tmp_path / "fuzz-c.json").write_text(json.dumps({"targets": runs}))
    made = file_sections(tmp_path, HARDENING)
    assert "| file | 1,909 | 10 | 77 |" in made["fuzz-c"]
    assert "| text | 250 | 5 | 0 |" in made["fuzz-c"]
    assert "| all | 2,159 | 15 | 77 |" in made["fuzz-c"]
    assert "| golden | new | 1,000 | 1,000 | 0 |" in made["fuzz"]
    assert "| all |  | 2,000 | 2,000 | 0 |" in made["fuzz"]
    assert "| from start to end | 2 | 0 | 2 | 0 | 0 | 2 |" in made["kill-exports"]
    assert made["kill-coreml-exports"] == made["kill-exports"]
    assert (made["soak"], made["adversarial"]) == ("", "")


def test_the_tables_of_fp16_come_from_their_results(tmp_path: Path) -> None:
    lengths = [
        {
            "checkpoint": "base",
            "tokens": 64,
            "arithmetic": arithmetic,
            "logit_difference": difference,
            "probability_difference": difference / 4,
        }
        for arithmetic, difference in (("fp32", 1e-6), ("fp16", 2e-3), ("pessimistic fp16", 4e-3))
    ]
    (tmp_path / "half-precision-lengths.json").write_text(json.dumps({"lengths": lengths}))
    fold = {
        "folds": "nothing folded",
        "largest_channel": 25000.0,
        "largest_sum_of_squares": 4.3e9,
        "logit_difference_in_fp32": 0.0,
        "probability_difference": 1e-3,
        "pessimistic_probability_difference": None,
    }
    (tmp_path / "half-precision-folds.json").write_text(json.dumps({"folds": [fold]}))
    made = file_sections(tmp_path, COREML)
    assert "| base | 64 | 1.0e-06 | 2.0e-03 | 5.0e-04 | 4.0e-03 | 1.0e-03 |" in made["half-precision-lengths"]
    row = "| nothing folded | 25,000.0 | 4.3e+09 | 0.0e+00 | 1.0e-03 | not finite |"
    assert row in made["half-precision-folds"]
    assert set(file_sections(tmp_path / "none", COREML).values()) == {""}


def test_a_page_shows_every_machine_that_has_measured(tmp_path: Path) -> None:
    (tmp_path / "lone.json").write_text('{"ms": 1}')
    (tmp_path / "both").mkdir()
    for machine, ms in (("b", 3), ("a", 2)):
        (tmp_path / "both" / f"{machine}.json").write_text(json.dumps({"ms": ms}))

    def shown(content: Mapping[str, Any]) -> str:
        return f"{content['ms']} ms\n"

    made = file_sections(tmp_path, {"lone": shown, "both": shown})
    assert made == {"lone": "1 ms\n", "both": "2 ms\n\n3 ms\n"}
