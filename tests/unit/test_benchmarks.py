"""The benchmarks measure what they say, on a checkpoint small enough to wait for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.machine import machine
from benchmarks.peers import quantization, quantization_ways
from tests.support.checkpoints import write_checkpoint
from tests.support.prompts import mixed_prompts
from vibe_router_export.synthetic.checkpoint import Outliers

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
SPIKING = "model.layers.2.mlp.Wo.weight"


def measure(folder: Path, outliers: Outliers | None) -> quantization.Result:
    return quantization.measure_checkpoint(
        str(write_checkpoint(folder, outliers=outliers)),
        label="small",
        prompts=mixed_prompts(60),
        count=40,
        threads=1,
        progress=lambda _: None,
    )


def test_keeping_the_spiking_input_is_what_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantization_ways, "reference_available", lambda: False)
    plain = {row.way: row for row in measure(tmp_path / "plain", None).rows}
    result = measure(tmp_path / "spiked", Outliers(peak=3_000.0))
    spiked = {row.way: row for row in result.rows}
    assert result.prompts == 40
    assert "int8, spiking inputs kept" not in plain
    assert spiked["int8, spiking inputs kept"].kept == (SPIKING,)
    errors = {name: row.rms_error for name, row in spiked.items()}
    assert errors["int8, every matrix"] > 2 * plain["int8, every matrix"].rms_error
    assert errors["int8, spiking inputs kept"] < 0.5 * errors["int8, every matrix"]
    assert errors["ONNX Runtime quantize_dynamic"] > 2 * errors["int8, spiking inputs kept"]
    for row in result.rows:
        assert row.rms_error <= row.max_error
        assert row.flips_outside_band <= row.flips
        assert len(row.cells()) == len(quantization.COLUMNS)
    assert json.loads(json.dumps(result.fields()))["rows"][0]["way"] == "int8, every matrix"


def test_a_result_names_its_machine() -> None:
    facts = machine(threads=2)
    assert facts["threads"] == 2
    assert facts["cpu"]
    assert "onnxruntime" in facts["versions"]
