"""int8 on two thousand real prompts: no decision outside the band, with and without massive activations."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.support.shared_data import PROMPTS, TOKENIZER, needs
from vibe_router_export.checkpoint.checkpoint import read_checkpoint
from vibe_router_export.choices import Precision, ReferenceChoice, Size
from vibe_router_export.export import ExportOptions, export_onnx
from vibe_router_export.synthetic.checkpoint import Outliers, write_random_checkpoint

COUNT = 2_000

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("one_thread"),
    needs(PROMPTS, TOKENIZER),
]


@pytest.fixture(scope="module")
def prompts() -> list[str]:
    lines = PROMPTS.read_text("utf-8").splitlines()
    places = np.linspace(0, len(lines) - 1, COUNT).astype(int)
    return [json.loads(lines[place])["prompt"] for place in places]


@pytest.mark.parametrize("outliers", [None, Outliers()], ids=["plain", "outliers"])
def test_int8_decides_as_fp32(outliers: Outliers | None, prompts: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "nano"
    write_random_checkpoint(folder, size=Size.NANO, seed=0, outliers=outliers, tokenizer=TOKENIZER)
    options = ExportOptions(reference=ReferenceChoice.NONE, precisions=[Precision.INT8], prompts=prompts)
    (graph,) = export_onnx(read_checkpoint(folder), tmp_path / "bundle", options=options).low_precision
    assert graph.report.numbers.prompts >= COUNT
    assert graph.report.numbers.flips_outside_band == 0
    expected = [] if outliers is None else [f"model.layers.{outliers.layer}.mlp.Wo.weight"]
    assert [one.name for one in graph.kept] == expected
