"""The real thing, on a Mac with Core ML: parity, placement and latency on every kind of hardware."""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

import pytest

from tests.support.checkpoints import small_config, write_checkpoint
from vibe_router import Router
from vibe_router_export.checkpoint.checkpoint import read_checkpoint
from vibe_router_export.choices import Layout, ReferenceChoice, Target
from vibe_router_tools.cli import build_app

pytest.importorskip("coremltools", reason="packages are written with coremltools")

from vibe_router_export.export import CoreMLOptions, export_coreml

pytestmark = [
    pytest.mark.macos,
    pytest.mark.skipif(sys.platform != "darwin", reason="Core ML runs on macOS only"),
]


@pytest.fixture(scope="module", params=[Target.MACOS15, Target.MACOS14])
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mac")
    checkpoint = read_checkpoint(write_checkpoint(folder / "small", small_config(num_hidden_layers=2)))
    options = CoreMLOptions(lengths=(16, 64), target=request.param, layout=Layout.ANE, reference=ReferenceChoice.NONE)
    export_coreml(checkpoint, folder / "bundle", options=options)
    return folder / "bundle"


def test_every_kind_of_hardware_passes_and_is_measured(bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    arguments = ["verify", str(bundle), "--engine", "coreml", "--precision", "fp16", "--report", str(file)]
    build_app()(arguments, standalone_mode=False)
    report = json.loads(file.read_text())
    assert report["passed"]
    assert [unit["engine"] for unit in report["units"]] == ["coreml", "coreml-cpu", "coreml-gpu", "coreml-ane"]
    for unit in report["units"]:
        assert unit["parity"]["max_abs_probability_difference"] <= 5e-3
        assert [function["tokens"] for function in unit["placement"]] == [16, 64], unit["placement_note"]
        assert all(row["cold_ms"] > row["median_ms"] > 0 for row in unit["latency"])
        assert (unit["energy"] is None) == (unit["energy_note"] is not None)
    cpu = report["units"][1]["placement"]
    assert {device["device"] for function in cpu for device in function["devices"]} <= {"cpu", "unknown"}


@pytest.mark.skipif(platform.machine() != "arm64", reason="only Apple silicon has a Neural Engine")
def test_matrix_products_are_planned_for_the_neural_engine(bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    arguments = ["verify", str(bundle), "--engine", "coreml-ane", "--precision", "fp16", "--report", str(file)]
    build_app()(arguments, standalone_mode=False)
    (unit,) = json.loads(file.read_text())["units"]
    for function in unit["placement"]:
        kinds = {device["device"]: device["kinds"] for device in function["devices"]}
        assert kinds.get("neural engine", {}).get("conv", 0) > kinds.get("cpu", {}).get("conv", 0)


def test_the_router_routes_with_it(bundle: Path) -> None:
    with (
        Router.load(bundle, engine="coreml", precision="fp16") as with_coreml,
        Router.load(bundle, engine="onnx-cpu") as with_onnx,
    ):
        for prompt in ("hi", "word " * 12, "word " * 300):
            assert with_coreml.route(prompt).p_cloud == pytest.approx(with_onnx.route(prompt).p_cloud, abs=5e-3)
