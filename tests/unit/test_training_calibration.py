"""Temperature and thresholds land in the checkpoint, in the form that the exporter reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.training import tiny_model, tiny_tokenizer, write_rows
from vibe_router.errors import UsageError
from vibe_router_export.checkpoint.checkpoint import read_checkpoint
from vibe_router_export.checkpoint.router_config import RouterConfig, parse_router_config
from vibe_router_tools.evaluation.logistic import sigmoid
from vibe_router_training.calibration import calibrate, calibrate_checkpoint
from vibe_router_training.checkpoint import write_checkpoint
from vibe_router_training.data import read_examples
from vibe_router_training.router_config import CLOUD_RATES, choose_thresholds, dump_router_config


def test_thresholds_meet_their_cloud_rates() -> None:
    scores = np.random.default_rng(0).uniform(0.2, 0.9, 1000)
    for name, threshold in choose_thresholds(scores).items():
        assert np.mean(scores > threshold) == pytest.approx(CLOUD_RATES[name])


def test_thresholds_keep_their_distance_from_scores() -> None:
    scores = np.linspace(0.25, 0.75, 101)
    for threshold in choose_thresholds(scores).values():
        assert np.min(np.abs(scores - threshold)) >= 0.0025 - 1e-12


def test_a_planted_temperature_is_found() -> None:
    generator = np.random.default_rng(0)
    truth = generator.normal(0, 1.5, 4000)
    preference = (generator.uniform(size=4000) < sigmoid(truth)).astype(np.float64)
    result = calibrate(truth * 2.5, preference, config=RouterConfig(name="x"), choose_profiles=True)
    assert result.config.temperature == pytest.approx(2.5, rel=0.1)
    assert result.fit.ece_after < result.fit.ece_before / 3
    assert result.diagrams[0].startswith(b"\x89PNG")
    assert b"<svg" in result.diagrams[1]


def test_the_file_is_one_that_the_exporter_reads() -> None:
    config = RouterConfig(name="x", temperature=1.5, ece_before=0.1, ece_after=0.05, profiles={"balanced": 0.6})
    assert parse_router_config(dump_router_config(config), where="file") == config


def test_calibrating_a_checkpoint(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    model = tiny_model(tiny_tokenizer())
    model.classifier.weight.data.normal_(std=0.5)
    write_checkpoint(folder, model, tiny_tokenizer())
    data = read_examples(write_rows(tmp_path / "data.jsonl", 200))
    flipped = float(np.corrcoef(_logits(folder, data.prompts), data.preference)[0, 1])
    if flipped < 0:
        model.classifier.weight.data.neg_()
        write_checkpoint(tmp_path / "flipped", model, tiny_tokenizer())
        folder = tmp_path / "flipped"
    result = calibrate_checkpoint(folder, data)
    read = read_checkpoint(folder)
    assert read.router.temperature == result.fit.temperature
    assert read.router.profiles == result.config.profiles
    assert {"reliability.png", "reliability.svg"} <= {path.name for path in folder.iterdir()}
    again = calibrate_checkpoint(folder, data, diagrams=tmp_path / "elsewhere")
    assert again.config == result.config
    assert (tmp_path / "elsewhere" / "reliability.svg").is_file()


def test_a_checkpoint_is_never_written_over(tmp_path: Path) -> None:
    model = tiny_model(tiny_tokenizer())
    write_checkpoint(tmp_path / "checkpoint", model, tiny_tokenizer())
    with pytest.raises(UsageError, match="exists already"):
        write_checkpoint(tmp_path / "checkpoint", model, tiny_tokenizer())


def _logits(folder: Path, prompts: tuple[str, ...]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    from vibe_router_training.model import load_model
    from vibe_router_training.scoring import score_logits

    return score_logits(load_model(str(folder)), tiny_tokenizer(), prompts)
