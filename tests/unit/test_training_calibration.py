"""Temperature and thresholds land in the checkpoint, in the form that the exporter reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.support.training import tiny_model, tiny_tokenizer, write_rows
from vibe_router.errors import CheckpointError, UsageError
from vibe_router_export.checkpoint.checkpoint import read_checkpoint
from vibe_router_export.checkpoint.router_config import RouterConfig, parse_router_config
from vibe_router_tools.evaluation.logistic import sigmoid
from vibe_router_training.calibration import calibrate, calibrate_checkpoint
from vibe_router_training.checkpoint import write_checkpoint
from vibe_router_training.data import read_examples
from vibe_router_training.model import load_model
from vibe_router_training.router_config import CLOUD_RATES, choose_thresholds, dump_router_config, read_router_config


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


@pytest.mark.parametrize("lost", ["classifier.", "model.layers.1."])
def test_weights_that_were_drawn_at_random_are_not_calibrated(tmp_path: Path, lost: str) -> None:
    folder = tmp_path / "checkpoint"
    write_checkpoint(folder, tiny_model(tiny_tokenizer()), tiny_tokenizer())
    tensors = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith(lost)}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=rf"lacks \d+ tensors, such as {lost}"):
        calibrate_checkpoint(folder, read_examples(write_rows(tmp_path / "data.jsonl", 20)))
    assert not (folder / "router_config.json").exists()


def test_a_fit_starts_from_a_model_without_a_head_but_not_without_a_layer(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    write_checkpoint(folder, tiny_model(tiny_tokenizer()), tiny_tokenizer())
    tensors = load_file(folder / "model.safetensors")
    body = {name: tensor for name, tensor in tensors.items() if name.startswith("model.")}
    save_file(body, folder / "model.safetensors", metadata={"format": "pt"})
    load_model(str(folder))
    without = {name: tensor for name, tensor in body.items() if not name.startswith("model.layers.1.")}
    save_file(without, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="lacks"):
        load_model(str(folder))


def test_a_router_config_that_is_no_text_is_a_checkpoint_error(tmp_path: Path) -> None:
    (tmp_path / "router_config.json").write_bytes(b'{"name": "caf\xe9"}')
    with pytest.raises(CheckpointError, match="not UTF-8"):
        read_router_config(tmp_path)


def test_a_checkpoint_is_never_written_over(tmp_path: Path) -> None:
    model = tiny_model(tiny_tokenizer())
    write_checkpoint(tmp_path / "checkpoint", model, tiny_tokenizer())
    with pytest.raises(UsageError, match="exists already"):
        write_checkpoint(tmp_path / "checkpoint", model, tiny_tokenizer())


def _logits(folder: Path, prompts: tuple[str, ...]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    from vibe_router_training.scoring import score_logits

    return score_logits(load_model(str(folder)), tiny_tokenizer(), prompts)
