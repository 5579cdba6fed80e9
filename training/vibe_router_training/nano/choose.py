"""Every choice of the recipe: fitted to the training split, chosen on the validation split, the test split unread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vibe_router_export.checkpoint.router_config import RouterConfig
from vibe_router_tools.evaluation.dataset import LabelledPrompts
from vibe_router_tools.evaluation.logistic import FloatArray
from vibe_router_training.calibration import Calibrated, calibrate
from vibe_router_training.data import RawPrompt, Split, examples_of, split_of
from vibe_router_training.nano.lessons import Lessons, prepare_lessons
from vibe_router_training.nano.settings import NanoEvents, NanoSettings
from vibe_router_training.scoring import score_logits
from vibe_router_training.sweep import Sweep, SweepRow, sweep


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The best model of the sweep, its raw `logits` of the validation rows, float64 [n], and its calibration."""

    lessons: Lessons
    swept: Sweep
    validation: LabelledPrompts
    logits: FloatArray
    calibrated: Calibrated

    def row(self) -> SweepRow:
        """Return the sweep's best row."""
        return next(row for row in self.swept.rows if row.best)


def choose(
    train: LabelledPrompts,
    unlabelled: Sequence[RawPrompt],
    validation: LabelledPrompts,
    settings: NanoSettings,
    *,
    work: Path,
    events: NanoEvents,
) -> Chosen:
    """Fit the student to `train` at each learning rate and calibrate the best on `validation`.

    The lowest validation loss, against the measured labels, is the best. Of the unlabelled prompts those of the
    training split are used. `work` holds the snapshots.
    """
    known = [row for row in unlabelled if split_of(row.prompt) is Split.TRAIN]
    lessons = prepare_lessons(train, known, settings, events=events)
    swept = sweep(
        lessons.fresh_model,
        lessons.tokenizer,
        lessons.examples,
        examples_of(validation),
        settings.fit,
        learning_rates=settings.learning_rates,
        work=work,
        progress=lambda rate: events.begin_fit(f"fitting at learning rate {rate:g}"),
    )
    events.stage("calibrating")
    logits = score_logits(swept.model, lessons.tokenizer, validation.prompts)
    config = RouterConfig(name=settings.size.value)
    calibrated = calibrate(logits, validation.preference, config=config, choose_profiles=True)
    return Chosen(lessons=lessons, swept=swept, validation=validation, logits=logits, calibrated=calibrated)
