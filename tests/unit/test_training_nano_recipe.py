"""The nano's recipe as a whole: what it chooses, what it refits, what it writes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.training import TINY, training_prompts, write_rows
from vibe_router_export.checkpoint.checkpoint import read_checkpoint
from vibe_router_tools.evaluation.logistic import sigmoid
from vibe_router_training.data import RawPrompt, Split, read_examples, split_of, train_and_validation
from vibe_router_training.fit_settings import Precision
from vibe_router_training.model import SHAPES, Size, load_model
from vibe_router_training.nano.choose import choose
from vibe_router_training.nano.recipe import make_nano
from vibe_router_training.nano.refit import refit
from vibe_router_training.nano.settings import SILENT, NanoEvents, NanoSettings
from vibe_router_training.nano.weak_labels import DEMO_PROMPTS
from vibe_router_training.scoring import score_logits
from vibe_router_training.tokenizer import load_tokenizer

# The Trainer doubts clocks by which two snapshots are written within a second.
pytestmark = pytest.mark.filterwarnings("ignore:mtime may not be reliable:UserWarning")


def test_the_refit_takes_every_row_and_what_validation_chose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SHAPES, Size.NANO, TINY)
    rows = read_examples(write_rows(tmp_path / "data.jsonl", 200))
    others = [RawPrompt(prompt=f"play song {number}", source="clinc150") for number in range(20)]
    settings = NanoSettings(vocabulary=300, learning_rates=(1e-2,), local_attention=6, one_step_requests=30)
    settings = replace(settings, fit=replace(settings.fit, precision=Precision.FP32))
    train, validation = train_and_validation(rows, "data")
    chosen = choose(train, others, validation, settings, work=tmp_path / "work", events=SILENT)
    assert {split_of(prompt) for prompt in chosen.lessons.rows.prompts} == {Split.TRAIN}
    told: list[str] = []
    events = NanoEvents(stage=told.append, fit=lambda _: None)
    refitted = refit(chosen, rows, others, work=tmp_path / "work" / "refit", events=events)
    assert refitted.lessons.rows.prompts == rows.prompts
    assert (refitted.lessons.variants, refitted.lessons.weak) == (settings.variants * 200, 50)
    assert len(refitted.lessons.examples) == 200 + 50 + settings.variants * 200
    assert refitted.lessons.settings == chosen.lessons.settings
    assert told[-1] == "refitting on all rows"
    assert refitted.model.config.local_attention == chosen.swept.model.config.local_attention == 6
    assert refitted.config.temperature == chosen.calibrated.config.temperature
    np.testing.assert_array_equal(
        refitted.logits, score_logits(refitted.model, refitted.lessons.tokenizer, validation.prompts)
    )
    rate = float(np.mean(sigmoid(refitted.logits) > refitted.config.profiles["balanced"]))
    assert rate == pytest.approx(0.65, abs=1 / len(validation.prompts)), "thresholds are those of the shipped weights"
    assert refitted.agreement(chosen) > 0.9


@pytest.mark.slow
def test_the_whole_recipe_on_little_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SHAPES, Size.NANO, TINY)
    monkeypatch.setattr("vibe_router_training.nano.figures.bootstrap", _few_resamples)
    folder = tmp_path / "data"
    folder.mkdir()
    write_rows(folder / "routing_labelled.jsonl", 400)
    unlabelled = [
        *(RawPrompt(prompt=f"play song {number}", source="clinc150") for number in range(20)),
        *training_prompts("clinc150", 20, "hello there"),
        *training_prompts("arena-hard v0.1", 5, "Design a system that scales to millions of users. Then test it"),
    ]
    lines = [json.dumps({"prompt": row.prompt, "source": row.source}) for row in unlabelled]
    (folder / "prompts.jsonl").write_text("\n".join(lines) + "\n")
    settings = NanoSettings(vocabulary=300, learning_rates=(1e-2, 1e-3), one_step_requests=20)
    settings = replace(settings, fit=replace(settings.fit, epochs=2, precision=Precision.FP32))
    report = make_nano(folder, tmp_path / "nano", settings)
    checkpoint = read_checkpoint(tmp_path / "nano")
    assert checkpoint.router.temperature == report.temperature
    assert dict(checkpoint.router.profiles) == report.profiles
    assert checkpoint.training_card is not None
    assert {path.name for path in tmp_path.iterdir()} == {"data", "nano"}, "no work is left behind"
    written = json.loads((tmp_path / "nano" / "training_report.json").read_text())
    assert written["test"][0]["auc"]["value"] == report.test[0].auc.value
    for text in (
        "| clinc150 | ",
        "What it cannot do",
        "English",
        "fitted to all 400 labelled rows",
        f"T = {report.temperature:.4f}",
        "TF-IDF",
        "sentences towards the cloud.\n   20 of those towards the device are one-step requests",
        "Muon for the\n   matrices of the layers at 10 times the learning rate",
    ):
        assert text in checkpoint.training_card
    nano, words, length = report.test
    assert nano.ece_by_chance is not None
    assert 0.0 < nano.ece_by_chance < 0.5
    assert (words.ece_by_chance is None, length.ece_by_chance) == (False, None)
    assert f"| {nano.ece_by_chance:.3f} |" in checkpoint.training_card
    assert report.refit.rows == 400 > report.teacher.rows
    assert report.refit.variants == settings.variants * 400 > report.variants
    assert report.refit.weak_examples > report.weak_examples
    shipped = load_model(str(tmp_path / "nano"))
    balanced = report.profiles["balanced"]
    for row, z in zip(report.demo, score_logits(shipped, load_tokenizer(tmp_path / "nano"), DEMO_PROMPTS), strict=True):
        assert row.raw == pytest.approx(sigmoid(z), abs=1e-6), "the decisions are those of the weights that ship"
        assert row.target == ("cloud" if row.raw > balanced else "device")
    again = make_nano(folder, tmp_path / "again", settings)
    assert replace(again, seconds=0.0, sweep=()) == replace(report, seconds=0.0, sweep=())


def _few_resamples(statistics: object, rows: int) -> object:
    from vibe_router_tools.evaluation.bootstrap import bootstrap

    return bootstrap(statistics, rows, resamples=20)  # type: ignore[arg-type]
