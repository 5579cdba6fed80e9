"""The nano's recipe as a whole, on little data: what is taught, what is judged, what it writes."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from nano.judge import Scorer
from nano.lessons import prepare_lessons
from nano.material import CHAT, DIALOGUES, EXAM, RATED, UNLABELLED, VERIFIABLE, read_material
from nano.phrases import read_phrases
from nano.recipe import TABLE_BITS, make_nano
from nano.settings import SILENT, NanoEvents, NanoSettings
from tests.support.training import TINY, sentence_encoder_read_once, write_rows
from vibe_router_export.checkpoint.checkpoint import read_checkpoint
from vibe_router_export.choices import Size
from vibe_router_export.fold.significant_bits import round_to_bits
from vibe_router_tools.evaluation.baselines import length_scores
from vibe_router_training.choices import Precision
from vibe_router_training.data import Split, split_of
from vibe_router_training.model import SHAPES

# The Trainer doubts clocks by which two snapshots are written within a second.
pytestmark = pytest.mark.filterwarnings("ignore:mtime may not be reliable:UserWarning")


@pytest.fixture(autouse=True, scope="module")
def _encoder() -> Iterator[None]:
    with sentence_encoder_read_once():
        yield


def settings() -> NanoSettings:
    small = NanoSettings(vocabulary=300, intents=10, one_step_requests=20, rated_forms=1)
    return replace(small, fit=replace(small.fit, precision=Precision.FP32))


def write_folder(folder: Path, rows: int) -> Path:
    folder.mkdir()
    for name in (EXAM, CHAT, VERIFIABLE):
        write_rows(folder / name, rows)
    rated = [
        {
            "prompt": f"{'Prove theorem' if number % 2 else 'hi there'}{number}",
            "cloud": 0.9 if number % 2 else 0.1,
            "source": "written for this",
            "group": "maths" if number % 2 else "greeting",
        }
        for number in range(rows)
    ]
    others = [{"prompt": f"play song {number}", "source": "clinc150"} for number in range(40)]
    dialogues = [{"history": [{"user": f"and then {number}?", "bot": "."}]} for number in range(20)]
    for name, lines in ((RATED, rated), (UNLABELLED, others), (DIALOGUES, dialogues)):
        (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.mark.slow
def test_lessons_hold_rows_of_the_training_split_and_translations(tmp_path: Path) -> None:
    material = read_material(write_folder(tmp_path / "data", 150))
    lessons = prepare_lessons(material.part(Split.TRAIN), settings(), events=SILENT)
    taught = {example.prompt: example.p_teacher for example in lessons.examples}
    assert sum(lessons.counts.values()) == len(lessons.examples)
    held_out = {row for row in material.rated.prompts if split_of(row) is not Split.TRAIN}
    assert held_out
    assert not held_out & set(taught)
    # Another recombined lesson may have the words of a phrase by chance, and then a p of its own besides.
    every: dict[str, list[float]] = defaultdict(list)
    for example in lessons.examples:
        every[example.prompt].append(example.p_teacher)
    for phrase in read_phrases():
        assert any(p == pytest.approx(every[phrase.english][0], abs=1e-6) for p in every[phrase.text]), phrase
    assert all(0.0 < p < 1.0 for p in taught.values())


@pytest.mark.slow
def test_the_whole_recipe_on_little_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SHAPES, Size.NANO, TINY)
    monkeypatch.setattr("nano.judge._RESAMPLES", 20)
    folder, told = write_folder(tmp_path / "data", 200), []
    compared = [Scorer(name="before", score=lambda prompts: length_scores(tuple(prompts)), threshold=9.0)]
    events = NanoEvents(stage=told.append, fit=lambda _: None)
    report = make_nano(folder, tmp_path / "nano", settings(), compared=compared, events=events)
    checkpoint = read_checkpoint(tmp_path / "nano")
    assert checkpoint.router.temperature == report.temperature
    table = checkpoint.weights.token_embedding.value
    np.testing.assert_array_equal(table, round_to_bits(table, TABLE_BITS))
    assert dict(checkpoint.router.profiles) == report.profiles
    assert {path.name for path in tmp_path.iterdir()} == {"data", "nano"}, "no work is left behind"
    assert told[-1] == "judging"
    assert told.index("fitting the student") < told.index("fitting it to small letters") < told.index("calibrating")
    tokenizer = Tokenizer.from_file(str(tmp_path / "nano" / "tokenizer.json"))
    assert tokenizer.encode("PROVE Theorem").ids == tokenizer.encode("prove theorem").ids
    written = json.loads((tmp_path / "nano" / "training_report.json").read_text())
    assert written["rated"]["all"]["nano"]["auc"]["value"] == report.rated["all"]["nano"].auc.value
    assert set(report.rated["all"]) == {"nano", "its chat teacher", "before", "prompt length", "bag of words"}
    assert set(report.groups) == {"maths", "greeting"}
    assert checkpoint.training_card is not None
    for text in (
        "Ratings, not measurements",
        "| maths |",
        "| before |",
        "200 newlines",
        "30% of\nit again in small letters, at 0.0003",
        f"T = {report.temperature:.4f}",
    ):
        assert text in checkpoint.training_card
