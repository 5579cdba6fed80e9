"""Cross-validation of the nano's recipe: nothing that is judged was learned from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import nano_cross_validation
from benchmarks.nano_cross_validation import FOLDS, STUDENT, TEACHER, WORDS, Scores, score_fold, summarise
from tests.support.training import TINY, write_rows
from vibe_router_tools.evaluation.dataset import LabelledPrompts
from vibe_router_training.data import BUCKETS, RawPrompt, bucket, read_examples
from vibe_router_training.model import SHAPES, Size
from vibe_router_training.nano.lessons import Lessons, prepare_lessons
from vibe_router_training.nano.settings import NanoSettings
from vibe_router_training.nano.weak_labels import DEMO_PROMPTS

# The Trainer doubts clocks by which two snapshots are written within a second.
pytestmark = pytest.mark.filterwarnings("ignore:mtime may not be reliable:UserWarning")


def test_a_fold_is_judged_by_what_never_saw_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = read_examples(write_rows(tmp_path / "routing_labelled.jsonl", 300))
    (tmp_path / "prompts.jsonl").write_text(
        "".join(f'{{"prompt": "play song {number}", "source": "clinc150"}}\n' for number in range(40))
    )
    monkeypatch.setitem(SHAPES, Size.NANO, TINY)
    seen: list[str] = []
    settings = NanoSettings(local_attention=6, one_step_requests=10)

    def watched(outside: LabelledPrompts, others: list[RawPrompt], *arguments: object, **options: object) -> Lessons:
        assert arguments == (settings,)
        seen.extend((*outside.prompts, *(row.prompt for row in others)))
        return prepare_lessons(outside, others, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(nano_cross_validation, "prepare_lessons", watched)
    scores = score_fold(1, data=tmp_path, settings=settings)
    assert {bucket(rows.prompts[row]) for row in scores.rows} == {2, 3}
    assert {bucket(prompt) for prompt in seen} == set(range(BUCKETS)) - {2, 3}
    assert len(scores.rows) + sum(not prompt.startswith("play") for prompt in seen) == 300
    assert set(scores.by_scorer) == {STUDENT, TEACHER, WORDS}
    for name, p in scores.by_scorer.items():
        assert p.shape == (len(scores.rows),), name
        assert np.all((p > 0.0) & (p < 1.0)), name
    assert scores.example_margins.shape == (len(DEMO_PROMPTS),)


def test_all_folds_are_judged_together_and_each_tenth_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = read_examples(write_rows(tmp_path / "data.jsonl", 200))
    monkeypatch.setattr("vibe_router_training.nano.figures.bootstrap", _few_resamples)
    folds = []
    margins = np.linspace(-0.2, 0.2, len(DEMO_PROMPTS))
    for fold in range(FOLDS):
        held = [row for row, prompt in enumerate(rows.prompts) if bucket(prompt) // 2 == fold]
        p = rows.preference[held]
        wrong_way_round = {STUDENT: p, TEACHER: p, WORDS: 1.0 - p}
        folds.append(Scores(rows=held, by_scorer=wrong_way_round, example_margins=margins + fold))
    outcome = summarise(rows, folds[::-1])
    student, _, words = outcome.figures
    assert (student.rows, student.auc.value, words.auc.value) == (200, 1.0, 0.0)
    assert student.ece is not None
    assert student.ece.value == pytest.approx(0.0, abs=1e-12)
    assert outcome.lead.auc.value == 1.0
    assert [(one.bucket, one.scorer) for one in outcome.tenths[:3]] == [(0, STUDENT), (0, TEACHER), (0, WORDS)]
    assert {one.auc for one in outcome.tenths if one.scorer == STUDENT} == {1.0}
    assert len(outcome.tenths) == 3 * BUCKETS
    assert [one.prompt for one in outcome.examples] == list(DEMO_PROMPTS)
    assert outcome.examples[0].margins == pytest.approx((3.8, 2.8, 1.8, 0.8, -0.2))
    assert outcome.examples[-1].margins == pytest.approx((4.2, 3.2, 2.2, 1.2, 0.2))


def _few_resamples(statistics: object, rows: int) -> object:
    from vibe_router_tools.evaluation.bootstrap import bootstrap

    return bootstrap(statistics, rows, resamples=20)  # type: ignore[arg-type]
