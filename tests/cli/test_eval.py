"""`vibe-router eval` from the command line to its files."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support.command_line import CommandLine
from vibe_router import Router
from vibe_router_tools.evaluation.dataset import read_labelled
from vibe_router_tools.evaluation.logistic import raw_from_calibrated
from vibe_router_tools.evaluation.metrics import auc, route, routing_metrics
from vibe_router_tools.evaluation.reliability import chance_calibration_error, expected_calibration_error

QUICK = ("--resamples", "20", "--threads", "1")


def test_json_holds_the_metrics_of_the_librarys_scores(
    vibe_router: CommandLine, tiny_bundle: Path, labelled: Path, router: Router
) -> None:
    done = vibe_router("eval", labelled, "-b", tiny_bundle, "--json", *QUICK)
    assert (done.code, done.error) == (0, "")
    result = json.loads(done.out)
    evaluation = result["evaluation"]
    data = read_labelled(labelled)
    scores = np.array([router.route(prompt).p_cloud for prompt in data.prompts])
    for point in (*evaluation["profiles"].values(), *evaluation["sweep"]):
        expected = routing_metrics(route(scores, point["threshold"]), data.preference)
        assert {name: point[name]["value"] for name in vars(expected)} == pytest.approx(vars(expected))
        assert point["utility"]["low"] <= point["utility"]["value"] <= point["utility"]["high"]
        assert point["gain_over_random"]["value"] == pytest.approx(
            point["utility"]["value"] - point["random_utility"]["value"]
        )
    assert [point["threshold"] for point in evaluation["sweep"]] == [0.53, 0.63, 0.78, 0.89, 0.94, 0.99]
    assert evaluation["ranking"]["auc"]["value"] == pytest.approx(auc(scores, data.preference))
    assert evaluation["always_cloud"]["utility"] + evaluation["always_device"]["utility"] == pytest.approx(1)
    decisions = [router.route(prompt).target.value == "cloud" for prompt in data.prompts]
    assert evaluation["profiles"]["balanced"]["cloud_rate"]["value"] == pytest.approx(np.mean(decisions))
    calibrated = expected_calibration_error(scores, data.preference)
    assert evaluation["calibration"]["ece_calibrated"]["value"] == pytest.approx(calibrated)
    assert evaluation["ece_by_chance"] == pytest.approx(chance_calibration_error(scores, data.preference))
    raw = expected_calibration_error(raw_from_calibrated(scores, 1.083), data.preference)
    assert evaluation["calibration"]["ece_raw"]["value"] == pytest.approx(raw)
    assert set(evaluation["sources"]) == {"even", "odd <b>"}
    assert (result["scale"], result["temperature"]) == ("calibrated", 1.083)


def test_the_same_seed_gives_the_same_intervals(vibe_router: CommandLine, tiny_bundle: Path, labelled: Path) -> None:
    first, second, other = (
        vibe_router("eval", labelled, "-b", tiny_bundle, "--json", "--seed", seed, *QUICK).out
        for seed in ("1", "1", "2")
    )
    assert first == second != other


def test_tables(vibe_router: CommandLine, tiny_bundle: Path, labelled: Path) -> None:
    done = vibe_router("eval", labelled, "-b", tiny_bundle, "--thresholds", "0.25, 0.5", *QUICK)
    assert done.code == 0
    for text in ("1500 prompts", "max-quality", "always device", "prompt length", "APGR", "odd <b>", "0.2500"):
        assert text in done.out
    assert "0.9400" not in done.out


def test_close_thresholds_have_a_row_each_in_every_table(
    vibe_router: CommandLine, tiny_bundle: Path, labelled: Path
) -> None:
    done = vibe_router("eval", labelled, "-b", tiny_bundle, "--thresholds", "0.5000001 0.5000002", *QUICK)
    first_cells = [line.split()[0] for line in done.out.splitlines() if line.split()]
    assert [first_cells.count(name) for name in ("0.5000001", "0.5000002", "balanced")] == [2, 2, 2]


def test_report_stands_alone_and_holds_no_prompts(
    vibe_router: CommandLine, tiny_bundle: Path, labelled: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.html"
    assert vibe_router("eval", labelled, "-b", tiny_bundle, "--report", report, *QUICK).code == 0
    text = report.read_text()
    assert "odd &lt;b&gt;" in text
    assert "odd <b>" not in text
    assert text.count("data:image/svg+xml;base64,") == 3
    assert not re.findall(r"https?:|<script|<link|url\(", text)
    assert "word1" not in text
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_plots_are_png_and_svg(vibe_router: CommandLine, tiny_bundle: Path, labelled: Path, tmp_path: Path) -> None:
    for folder in ("first", "second"):
        assert vibe_router("eval", labelled, "-b", tiny_bundle, "--plots", tmp_path / folder, *QUICK).code == 0
    names = {path.name for path in (tmp_path / "first").iterdir()}
    assert names == {f"{name}.{kind}" for name in ("quality", "reliability", "scores") for kind in ("png", "svg")}
    for name in names:
        content = (tmp_path / "first" / name).read_bytes()
        assert content.startswith(b"\x89PNG" if name.endswith("png") else b"<?xml")
        assert content == (tmp_path / "second" / name).read_bytes()


@pytest.mark.parametrize("option", ["--plots", "--report"])
def test_missing_matplotlib_is_named_before_any_work(
    vibe_router: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
    tiny_bundle: Path,
    tmp_path: Path,
    option: str,
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    done = vibe_router("eval", tmp_path / "none.jsonl", "-b", tiny_bundle, option, tmp_path / "out")
    assert done.code == 2
    assert "matplotlib" in done.error
    assert "pip install '.[eval]'" in done.error
    assert not (tmp_path / "out").exists()


def test_eval_needs_neither_scipy_nor_matplotlib(
    vibe_router: CommandLine, monkeypatch: pytest.MonkeyPatch, tiny_bundle: Path, labelled: Path
) -> None:
    for name in ("scipy", "matplotlib"):
        monkeypatch.setitem(sys.modules, name, None)
    assert vibe_router("eval", labelled, "-b", tiny_bundle, *QUICK).code == 0


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{", ":3: not valid JSON"),
        ('{"p_teacher": 0.5}', ":3: no prompt"),
        ('{"prompt": "c", "p_teacher": 1.5}', ":3: p_teacher is 1.5"),
        ('{"prompt": "c", "p_teacher": NaN}', ":3: not valid JSON: NaN"),
        ('{"prompt": "c"}', ":3: the row has no label"),
        ('{"prompt": "c", "p_teacher": 0.4}', "one class only"),
    ],
)
def test_bad_rows_end_with_their_line_and_no_files(
    vibe_router: CommandLine, tiny_bundle: Path, tmp_path: Path, row: str, said: str
) -> None:
    data = tmp_path / "data.jsonl"
    data.write_text(f'{{"prompt": "a", "p_teacher": 0.1}}\n{{"prompt": "b", "p_teacher": 0.2}}\n{row}\n')
    report, plots = tmp_path / "report.html", tmp_path / "plots"
    done = vibe_router("eval", data, "-b", tiny_bundle, "--report", report, "--plots", plots)
    assert done.code == 1
    assert done.out == ""
    assert said in done.error
    assert "hint: " in done.error
    assert [path.name for path in tmp_path.iterdir()] == ["data.jsonl"]


def test_lone_surrogates_are_evaluated_as_any_other_text(
    vibe_router: CommandLine, tiny_bundle: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data.jsonl"
    data.write_text('{"prompt": "a", "p_teacher": 0.1}\n{"prompt": "\\ud800", "p_teacher": 0.9}\n')
    done = vibe_router("eval", data, "-b", tiny_bundle)
    assert done.code == 0
    assert "2 prompts" in done.out


@pytest.mark.parametrize(
    "arguments",
    [("--thresholds", "0.5 x"), ("--thresholds", "1.5"), ("--confidence", "1"), ("--tau", "0"), ("--tau", "nan")],
)
def test_wrong_options(vibe_router: CommandLine, tiny_bundle: Path, labelled: Path, arguments: tuple[str, str]) -> None:
    done = vibe_router("eval", labelled, "-b", tiny_bundle, *arguments)
    assert done.code == 2
    assert done.out == ""


def test_no_report_is_left_where_it_cannot_be_written(
    vibe_router: CommandLine, tiny_bundle: Path, labelled: Path, tmp_path: Path
) -> None:
    done = vibe_router("eval", labelled, "-b", tiny_bundle, "--report", tmp_path / "none" / "r.html", *QUICK)
    assert done.code == 2
    assert "cannot write" in done.error


@pytest.mark.parametrize("command", [("eval",), ("calibrate", "--temperature")])
def test_bins_that_would_take_gigabytes_are_refused(
    vibe_router: CommandLine, tmp_path: Path, command: tuple[str, ...]
) -> None:
    done = vibe_router(*command, tmp_path / "none.jsonl", "--bins", "1000000000")
    assert (done.code, "--bins" in done.error) == (2, True), done.error
