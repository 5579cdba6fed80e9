"""`router-export`: results on stdout, everything else on stderr, exit codes as promised."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.checkpoints import small_config, write_checkpoint
from tests.support.command_line import CommandLine
from tests.support.router_export import run


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("cli") / "small", router=False)


def test_onnx_prints_json_on_stdout_and_notes_on_stderr(checkpoint: Path, tmp_path: Path) -> None:
    done = run("onnx", checkpoint, "-o", tmp_path / "bundle", "--reference", "none", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["proven"] is False
    assert result["parity"]["reference"] == "numpy"
    assert "states no temperature; exporting with 1.0" in done.stderr
    assert (tmp_path / "bundle" / "router.json").exists()


def test_without_torch_the_export_works_and_says_unproven(checkpoint: Path, tmp_path: Path) -> None:
    done = run("onnx", checkpoint, "-o", tmp_path / "bundle", hide=("torch", "transformers"))
    assert done.returncode == 0, done.stderr
    assert "unproven" in done.stdout
    assert json.loads((tmp_path / "bundle" / "router.json").read_text())["engines"][0]["parity"] is None


def test_asking_for_the_reference_without_torch_names_the_install_line(checkpoint: Path, tmp_path: Path) -> None:
    arguments = ("onnx", checkpoint, "-o", tmp_path / "bundle", "--reference", "transformers")
    done = run(*arguments, hide=("torch", "transformers"))
    assert done.returncode == 2
    assert "pip install '.[reference]'" in done.stderr
    assert not (tmp_path / "bundle").exists()


def test_without_the_export_extra_the_install_line_is_named(checkpoint: Path) -> None:
    done = run("inspect", checkpoint, hide=("onnx", "safetensors"))
    assert done.returncode == 2
    assert "onnx and safetensors" in done.stderr
    assert "pip install '.[export]'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (["inspect", "nowhere"], 9, "no checkpoint at nowhere"),
        (["onnx", "CHECKPOINT", "-o", "EXISTING"], 2, "exists already"),
        (["onnx", "CHECKPOINT", "-o", "NEW", "--temperature", "0"], 2, "not positive"),
        (["onnx", "CHECKPOINT", "-o", "NEW", "--profiles", "absent.json"], 2, "cannot read"),
        (["onnx", "CHECKPOINT", "-o", "NEW", "--prompts", "absent.jsonl"], 1, "cannot read"),
        (["onnx", "CHECKPOINT"], 2, ""),
        (["checkpoint", "EXISTING"], 2, "exists already"),
        (["unknown"], 2, ""),
    ],
)
def test_refusals_have_a_message_and_an_exit_code(
    arguments: list[str], code: int, named: str, checkpoint: Path, tmp_path: Path, router_export: CommandLine
) -> None:
    (tmp_path / "existing").mkdir()
    places = {"CHECKPOINT": checkpoint, "EXISTING": tmp_path / "existing", "NEW": tmp_path / "new"}
    done = router_export(*(places.get(argument, argument) for argument in arguments))
    assert done.code == code, done.error
    assert named in done.error
    assert done.out == ""
    assert "Traceback" not in done.error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["existing"]


def test_inspect_describes_the_checkpoint(checkpoint: Path, router_export: CommandLine) -> None:
    summary = json.loads(router_export("inspect", checkpoint, "--json").out)
    assert summary["layers"] == 4
    assert summary["window"] == 8
    assert summary["vocabulary"] == small_config()["vocab_size"]


@pytest.mark.parametrize("module", ["torch", "transformers", "onnx", "onnxruntime"])
def test_help_imports_nothing_heavy(module: str) -> None:
    done = run("--help", hide=(module,))
    assert done.returncode == 0, done.stderr
    assert "inspect" in done.stdout


def test_several_precisions_make_one_bundle_and_say_what_they_cost(
    checkpoint: Path, tmp_path: Path, router_export: CommandLine
) -> None:
    arguments = ("onnx", checkpoint, "-o", tmp_path / "bundle", "--reference", "none", "--json")
    done = router_export(*arguments, "--precision", "int8", "--precision", "fp32", "--band", "0.05")
    assert done.code == 0, done.error
    result = json.loads(done.out)
    (int8,) = result["low_precision"]
    assert (int8["precision"], int8["file"], int8["kept"]) == ("int8", "onnx/model_quantized_fast.onnx", [])
    assert int8["parity"]["band"] == 0.05
    assert int8["parity"]["flips_outside_band"] == 0
    assert result["bytes"]["onnx/model_quantized.onnx"] < 0.5 * result["bytes"]["onnx/model.onnx"]


@pytest.mark.parametrize("band", ["nan", "-0.1", "2"])
def test_a_band_that_is_none_is_refused_before_anything_is_read(
    tmp_path: Path, router_export: CommandLine, band: str
) -> None:
    done = router_export("onnx", tmp_path / "nothing", "-o", tmp_path / "bundle", "--band", band)
    assert (done.code, "--band" in done.error) == (2, True), done.error


def test_a_precision_that_changes_decisions_is_exit_7_and_nothing_is_written(
    checkpoint: Path, tmp_path: Path, router_export: CommandLine
) -> None:
    arguments = ("onnx", checkpoint, "-o", tmp_path / "bundle", "--reference", "none", "--precision", "int4")
    done = router_export(*arguments, "--band", "0")
    assert done.code == 7
    assert "error: no int4 graph passes" in done.error
    assert "hint: nothing was written; choose a higher precision" in done.error
    assert list(tmp_path.iterdir()) == []


def test_coremltools_says_nothing_on_the_terminal(checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("coremltools")
    done = run("coreml", checkpoint, "-o", tmp_path / "bundle", "--lengths", "4,8")
    assert done.returncode == 2
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["error", "hint"]
