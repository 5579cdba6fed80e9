"""`router-export native`: what it prints, and its exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine
from tests.support.native import PROFILES, native_checkpoint, needs_native_engine, with_a_loud_neuron
from tests.support.router_export import run

pytestmark = needs_native_engine

FILE = "native/model_int8.safetensors"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return native_checkpoint(tmp_path_factory.mktemp("cli") / "small", profiles=PROFILES).folder


@pytest.fixture(scope="module")
def made(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A bundle that the command has made, as a process, and what it printed; read only."""
    bundle = tmp_path_factory.mktemp("made") / "bundle"
    done = run("native", checkpoint, "-o", bundle, "--reference", "none", "--json")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return bundle, done.stdout


def test_it_makes_a_bundle_and_prints_json(
    made: tuple[Path, str], checkpoint: Path, tmp_path: Path, router_export: CommandLine
) -> None:
    bundle, printed = made
    result = json.loads(printed)
    assert (result["file"], result["precision"], result["kept"]) == (FILE, "int8", [])
    assert result["bytes"] == (bundle / FILE).stat().st_size
    assert result["proven"] is False
    assert result["parity"]["flips_outside_band"] == 0

    again = router_export("native", checkpoint, "-o", bundle, "--reference", "none")
    assert again.code == 2
    assert f"has {FILE} already" in again.error
    assert again.out == ""
    copy = shutil.copytree(bundle, tmp_path / "bundle")
    replaced = router_export("native", checkpoint, "-o", copy, "--reference", "none", "--force", "--band", "0.05")
    assert replaced.code == 0, replaced.error
    assert "unproven" in replaced.out
    assert "outside the band of 0.05: 0" in replaced.out


def test_the_runtime_lists_it_and_the_graph_beside_it_still_verifies(
    made: tuple[Path, str], vibe_router: CommandLine
) -> None:
    bundle, _ = made
    inspected = vibe_router("inspect", bundle, "--json")
    assert inspected.code == 0
    engines = {engine["kind"]: engine for engine in json.loads(inspected.out)["engines"]}
    assert (engines["native"]["file"], engines["native"]["proven"]) == (FILE, False)
    assert "native" in vibe_router("inspect", bundle).out
    assert vibe_router("verify", bundle, "--engine", "onnx-cpu").code == 0


def test_what_is_kept_is_said_with_its_reason(tmp_path: Path, router_export: CommandLine) -> None:
    loud = with_a_loud_neuron(native_checkpoint(tmp_path / "loud", profiles=PROFILES), layer=1)
    done = router_export("native", loud.folder, "-o", tmp_path / "bundle", "--reference", "none")
    assert done.code == 0, done.error
    assert "kept in fp32: model.layers.1.mlp.Wo.weight; alone it moves the logit by" in done.out

    # No decision may differ at all: a quarter of the matrices does not bring that.
    refused = router_export("native", loud.folder, "-o", tmp_path / "other", "--reference", "none", "--band", "0")
    assert refused.code == 7
    assert "error: no native file passes: with 4 of 17 matrices in a higher precision" in refused.error
    assert "hint: nothing was written" in refused.error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "loud"]


def test_a_model_of_another_shape_is_exit_9_by_name(tmp_path: Path, router_export: CommandLine) -> None:
    narrow = native_checkpoint(tmp_path / "narrow", hidden_size=48).folder
    done = router_export("native", narrow, "-o", tmp_path / "bundle", "--reference", "none")
    assert done.code == 9
    assert "hidden_size 48 is not a multiple of 64" in done.error
    assert "router-export onnx --precision int8" in done.error
    assert not (tmp_path / "bundle").exists()


def test_verify_names_what_is_missing(made: tuple[Path, str], checkpoint: Path, router_export: CommandLine) -> None:
    pytest.importorskip("torch", reason="only PyTorch proves")
    bundle, _ = made
    verified = router_export("verify", checkpoint, bundle, "--engine", "native-cpu", "--json")
    assert verified.code == 0, verified.error
    assert json.loads(verified.out)["flips_outside_band"] == 0
    wrong = router_export("verify", checkpoint, bundle, "--engine", "native-cpu", "--precision", "fp32")
    assert wrong.code == 6
    assert "has no native file of precision 'fp32'" in wrong.error
