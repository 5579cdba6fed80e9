"""`router-train` as its users meet it: outputs, refusals, exit codes; nothing half-written."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.support.training import TINY, tiny_model, tiny_tokenizer, write_rows
from vibe_router_export.choices import Size
from vibe_router_training import cli
from vibe_router_training.checkpoint import write_checkpoint
from vibe_router_training.model import SHAPES

pytestmark = pytest.mark.filterwarnings("ignore:mtime may not be reliable:UserWarning")

QUICK = ["--epochs", "2", "--batch", "32", "--threads", "1", "--precision", "fp32", "--loss", "cross-entropy"]


@pytest.fixture(autouse=True)
def _threads_as_before() -> Iterator[None]:
    """Commands choose torch's number of threads for the whole process."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def _tiny_nano(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SHAPES, Size.NANO, TINY)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["router-train", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return int(caught.value.code or 0)


def test_tokenizer_fit_calibrate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_rows(tmp_path / "data.jsonl", 200)
    tokenizer, out = tmp_path / "tokenizer.json", tmp_path / "checkpoint"
    assert run(monkeypatch, "tokenizer", data, "--out", tokenizer, "--vocabulary", 300, "--json") == 0
    assert json.loads(capsys.readouterr().out)["vocabulary"] == 300
    fitting = [
        "fit",
        "--data",
        data,
        "--out",
        out,
        "--tokenizer",
        tokenizer,
        "--learning-rate",
        "1e-2",
        "--json",
        *QUICK,
    ]
    assert run(monkeypatch, *fitting) == 0
    captured = capsys.readouterr()
    assert len(json.loads(captured.out)["validation_losses"]) == 2
    assert captured.err == ""
    assert run(monkeypatch, "calibrate", out, data, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["binning"] == "equal-count"
    assert json.loads((out / "router_config.json").read_text())["temperature"] == result["temperature"]
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"data.jsonl", "tokenizer.json", "checkpoint"}


def test_fitting_goes_on_from_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_rows(tmp_path / "data.jsonl", 120)
    first, second = tmp_path / "first", tmp_path / "second"
    assert run(monkeypatch, "fit", "--data", data, "--out", first, "--json", *QUICK, "--learning-rate", "1e-2") == 0
    start = json.loads(capsys.readouterr().out)["validation_loss"]
    assert run(monkeypatch, "fit", data, "--output", second, "--from", first, "--json", *QUICK) == 0
    assert json.loads(capsys.readouterr().out)["validation_loss"] == pytest.approx(start, abs=0.02)
    assert (first / "tokenizer.json").read_text() == (second / "tokenizer.json").read_text()


def test_sweep_writes_the_table_and_the_best_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = write_rows(tmp_path / "data.jsonl", 120), tmp_path / "sweep"
    assert run(monkeypatch, "sweep", "--data", data, "--out", out, "--learning-rates", "1e-5,1e-2", *QUICK) == 0
    assert capsys.readouterr().out == (out / "sweep.md").read_text()
    assert {path.name for path in out.iterdir()} == {"sweep.json", "sweep.md", "best"}
    assert [row["best"] for row in json.loads((out / "sweep.json").read_text())] == [False, True]


@pytest.mark.parametrize("command", ["fit", "sweep"])
def test_a_bad_row_ends_it_with_file_and_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    data = write_rows(tmp_path / "data.jsonl", 20)
    data.write_text(data.read_text() + '{"prompt": "x", "p_teacher": NaN}\n')
    assert run(monkeypatch, command, "--data", data, "--out", tmp_path / "out") == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"error: {data}:21: " in captured.err
    assert "hint: " in captured.err
    assert [path.name for path in tmp_path.iterdir()] == ["data.jsonl"]


def test_a_fit_that_diverges_is_an_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_rows(tmp_path / "data.jsonl", 120)
    assert run(monkeypatch, "fit", data, "--out", tmp_path / "out", *QUICK, "--learning-rate", "1e30") == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "the fit diverged" in captured.err
    assert "hint: give a lower learning rate" in captured.err
    assert [path.name for path in tmp_path.iterdir()] == ["data.jsonl"]


def test_what_exists_is_not_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_rows(tmp_path / "data.jsonl", 20)
    assert run(monkeypatch, "fit", "--data", data, "--out", tmp_path) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_checkpoint_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_rows(tmp_path / "data.jsonl", 200)
    assert run(monkeypatch, "calibrate", tmp_path / "nowhere", data) == 9
    assert "no checkpoint at" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()


def test_a_checkpoint_of_a_hub_is_not_calibrated_where_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data, repository = write_rows(tmp_path / "data.jsonl", 200), tmp_path / "hub" / "models--maker--router"
    snapshot = repository / "snapshots" / ("0" * 40)
    write_checkpoint(snapshot, tiny_model(tiny_tokenizer()), tiny_tokenizer())
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "calibrate", "maker/router", data) == 9
    assert "no checkpoint at maker/router" in capsys.readouterr().err
    assert not (tmp_path / "maker").exists()


def test_a_tokenizer_of_no_prompts_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    assert run(monkeypatch, "tokenizer", tmp_path / "empty.jsonl", "--out", tmp_path / "tokenizer.json") == 1
    assert "no prompts in the training part" in capsys.readouterr().err
    assert not (tmp_path / "tokenizer.json").exists()


@pytest.mark.parametrize("rates", ["", "fast", "1e-5,1e-5", "0,1e-5", "nan"])
def test_learning_rates_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rates: str) -> None:
    assert (
        run(monkeypatch, "sweep", "--data", tmp_path / "data", "--out", tmp_path / "out", "--learning-rates", rates)
        == 2
    )


def test_files_of_prompts_are_asked_for(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "fit", "-o", "out") == 2
    assert "no files of labelled prompts" in capsys.readouterr().err


def test_missing_libraries_are_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("vibe_router.extras.find_spec", lambda name: None if name == "torch" else object())
    assert run(monkeypatch, "fit", "--data", "data.jsonl", "--out", "out") == 2
    assert capsys.readouterr().err == (
        "error: training needs torch, which is not installed\n"
        "hint: in a clone of vibe-router, which is not on PyPI yet: pip install '.[train]'\n"
    )


def test_a_teacher_of_the_users_choice_judges_rows_and_other_prompts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data, others = write_rows(tmp_path / "data.jsonl", 120), tmp_path / "others.jsonl"
    others.write_text("".join(json.dumps({"prompt": f"Design another {number}"}) + "\n" for number in range(60)))
    fitting = ["fit", "--data", data, "--json", *QUICK, "--learning-rate", "1e-2"]
    upside_down = [*fitting, "--teacher", "tests.support.training:upside_down_teacher", "--unlabelled", others]
    assert run(monkeypatch, *fitting, "--out", tmp_path / "labels") == 0
    by_labels = json.loads(capsys.readouterr().out)["validation_loss"]
    assert run(monkeypatch, *upside_down, "--out", tmp_path / "taught") == 0
    assert json.loads(capsys.readouterr().out)["validation_loss"] > by_labels + 0.1, "it has learned the contrary"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--teacher", "nowhere:at_all"], "no teacher 'nowhere:at_all'"),
        (["--teacher", "tests.support.training"], "name it as module:function"),
        (["--teacher", "tests.support.training:TINY"], "is not a function"),
        (["--teacher", "tests.support.training:teacher_of_nonsense"], "one number in 0..1 for each prompt"),
        (["--unlabelled", "others.jsonl"], "add --teacher"),
    ],
)
def test_teachers_that_are_none(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    said: str,
) -> None:
    data = write_rows(tmp_path / "data.jsonl", 120)
    assert run(monkeypatch, "fit", "--data", data, "--out", tmp_path / "out", *options) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
