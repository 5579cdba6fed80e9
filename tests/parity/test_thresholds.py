"""Folding the temperature changes no decision: raw scores of an unfolded export, calibrated ones of the folded."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from tests.support.checkpoints import write_checkpoint
from tests.support.sequences import unpadded
from vibe_router.engines.onnx.cpu import OnnxCpuEngine
from vibe_router.policy import sigmoid
from vibe_router_export.checkpoint.checkpoint import read_checkpoint
from vibe_router_export.choices import Precision, ReferenceChoice
from vibe_router_export.export import ExportOptions, export_onnx
from vibe_router_export.first_manifest import Claims, calibrated_thresholds
from vibe_router_export.recipes.files import MODEL_FILES

MODEL_FILE = MODEL_FILES[Precision.FP32]

# The published model card's, raw.
CARD_PROFILES = {
    "max-quality": 0.526,
    "conservative": 0.90,
    "balanced": 0.95,
    "cost-saving": 0.97,
    "aggressive": 0.99,
}
TEMPERATURES = (0.4, 0.9, 1.0, 1.083, 1.5, 3.0)


def test_the_published_threshold_moves_as_the_model_card_implies() -> None:
    assert calibrated_thresholds({"balanced": 0.95}, 1.083)["balanced"].calibrated == pytest.approx(0.938, abs=5e-4)


def test_decisions_agree_on_every_golden_prompt(tmp_path: Path) -> None:
    checkpoint = read_checkpoint(write_checkpoint(tmp_path / "small"))
    for name, temperature in (("unfolded", 1.0), ("folded", None)):
        claims = Claims(profiles=CARD_PROFILES, temperature=temperature)
        options = ExportOptions(reference=ReferenceChoice.NONE, claims=claims)
        folded = export_onnx(checkpoint, tmp_path / name, options=options)
    assert folded.manifest.calibration.temperature == 1.083
    raw_engine, folded_engine = (
        OnnxCpuEngine(tmp_path / name / MODEL_FILE, file=MODEL_FILE, precision="fp32", pad_token_id=0, threads=1)
        for name in ("unfolded", "folded")
    )
    decisions = set()
    for line in (tmp_path / "folded" / "golden.jsonl").read_text().splitlines():
        ids = np.array([json.loads(line)["input_ids"]])
        z, scaled = (
            float(engine.logits(unpadded(ids, np.ones_like(ids)))[0]) for engine in (raw_engine, folded_engine)
        )
        for threshold in folded.manifest.thresholds.values():
            decision = sigmoid(z) > threshold.raw
            assert (sigmoid(scaled) > threshold.calibrated) == decision
            decisions.add(decision)
    assert decisions == {True, False}


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("raw", CARD_PROFILES.values())
def test_decisions_agree_one_float_around_each_threshold(raw: float, temperature: float) -> None:
    calibrated = calibrated_thresholds({"profile": raw}, temperature)["profile"].calibrated
    nearest = np.float32(raw)
    for score in (np.nextafter(nearest, np.float32(0)), nearest, np.nextafter(nearest, np.float32(1))):
        # The float32 logit that a graph returns for a score, then what the folded graph returns for it.
        z = np.float32(math.log(float(score)) - math.log1p(-float(score)))
        scaled = np.float32(float(z) / temperature)
        assert (sigmoid(float(scaled)) > calibrated) == (sigmoid(float(z)) > raw), (raw, float(score))
