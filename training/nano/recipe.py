"""The whole recipe of the bundled default: files of prompts in, a calibrated checkpoint and its card out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from nano.card import training_card
from nano.forms import decided_alike
from nano.judge import MeasuredFigures, Scorer, baselines, judge_rated, measured_figures, verdict_figures
from nano.lessons import Lessons, prepare_lessons
from nano.material import Material, centred_verdicts, read_material, sample
from nano.profiles import DEFAULT, choose_profiles
from nano.report import ExampleDecision, TrainingReport, count_sources, dump_report
from nano.settings import SILENT, NanoEvents, NanoSettings
from vibe_router_export.checkpoint.router_config import RouterConfig
from vibe_router_export.fold.significant_bits import round_to_bits
from vibe_router_export.proof.golden import EXAMPLES
from vibe_router_tools.evaluation.groups import by_group
from vibe_router_tools.evaluation.logistic import FloatArray, sigmoid
from vibe_router_training.calibration import Calibrated, calibrate
from vibe_router_training.checkpoint import require_new, work_folder, write_checkpoint
from vibe_router_training.data import Split
from vibe_router_training.fit import fit
from vibe_router_training.resume import release
from vibe_router_training.scoring import score_logits
from vibe_router_training.tokenizer import in_small_letters

REPORT_NAME, CARD_NAME = "training_report.json", "TRAINING.md"
TABLE_BITS = 12
"""Significant bits of a token embedding. The bundle keeps 15 of every weight (`make nano`): it leaves these alone."""


@dataclass(frozen=True, kw_only=True)
class Taught:
    """A student, what it was taught, how it reads, and its calibration on the ratings of the validation split."""

    model: Any
    lessons: Lessons
    tokenizer: Tokenizer
    calibrated: Calibrated
    cloud_rates: dict[str, float]

    def raw(self, prompts: Sequence[str]) -> FloatArray:
        """Return sigmoid(z) of each prompt, float64 [n], which the profiles' thresholds are for."""
        return sigmoid(score_logits(self.model, self.tokenizer, prompts))

    def p_cloud(self, prompts: Sequence[str]) -> FloatArray:
        """Return the calibrated score of each prompt, float64 [n]."""
        temperature = self.calibrated.fit.temperature
        return sigmoid(score_logits(self.model, self.tokenizer, prompts) / temperature)


def make_nano(
    data: Path,
    out: Path,
    settings: NanoSettings,
    *,
    compared: Sequence[Scorer] = (),
    events: NanoEvents = SILENT,
) -> TrainingReport:
    """Make a nano from the files in `data`, judge it next to `compared` and write it to the new folder `out`.

    An interrupted run resumes from the hidden work folder next to `out` when it is repeated.

    Raises:
        UsageError: `out` exists, or an interrupted run with other settings lies next to it.
        DataError: a file cannot be read, or has a bad row.
    """
    require_new(out)
    started = time.monotonic()
    events.stage("reading the data")
    material, work = read_material(data), work_folder(out)
    taught = teach(material, settings, work=work, events=events)
    events.stage("judging")
    report = judge(taught, material, settings, compared=compared, started=started)
    texts = {REPORT_NAME: dump_report(report), CARD_NAME: training_card(report)}
    files = {name: text.encode("utf-8") for name, text in texts.items()}
    write_checkpoint(out, taught.model, taught.tokenizer, files={**taught.calibrated.files(), **files})
    release(work)
    return report


def teach(material: Material, settings: NanoSettings, *, work: Path, events: NanoEvents) -> Taught:
    """Fit a student to the training split of `material` and calibrate it on the ratings of the validation split.

    It is taught text as it is typed, then a part in small letters, as it reads from there on: docs/nano.md says why.
    """
    lessons = prepare_lessons(material.part(Split.TRAIN), settings, events=events)
    model, small = lessons.fresh_model(), in_small_letters(lessons.tokenizer)
    progress = events.begin_fit("fitting the student")
    fit(model, lessons.tokenizer, lessons.examples, (), settings.fit, work=work / "typed", progress=progress)
    again = sample(lessons.examples, round(settings.small_share * len(lessons.examples)), seed=settings.seed)
    progress = events.begin_fit("fitting it to small letters")
    fit(model, small, again, (), settings.small_letters(), work=work / "small", progress=progress)
    round_table(model)
    events.stage("calibrating")
    return calibrate_student(model, small, lessons, material, name=settings.size.value)


def round_table(model: Any) -> None:
    """Round the token embeddings of a student: half of the weights, which a wheel then carries in less room.

    It is done before the student is calibrated and judged, so that the bundle holds the very table that was judged.
    """
    table = model.get_input_embeddings().weight.data
    table.copy_(torch.from_numpy(round_to_bits(table.numpy(), TABLE_BITS)))


def calibrate_student(model: Any, tokenizer: Tokenizer, lessons: Lessons, material: Material, *, name: str) -> Taught:
    """Fit the temperature and choose the profiles on the rated prompts of the validation split."""
    rated = material.part(Split.VALIDATION).rated
    logits = score_logits(model, tokenizer, rated.prompts)
    raw = sigmoid(logits)
    config = RouterConfig(name=name, license="apache-2.0", profiles=choose_profiles(raw, rated.preference))
    return Taught(
        model=model,
        lessons=lessons,
        tokenizer=tokenizer,
        calibrated=calibrate(logits, rated.preference, config=config, choose_profiles=False),
        cloud_rates={profile: float(np.mean(raw > threshold)) for profile, threshold in config.profiles.items()},
    )


def judge(
    taught: Taught, material: Material, settings: NanoSettings, *, compared: Sequence[Scorer], started: float
) -> TrainingReport:
    """Return every figure of the card, all of the test split."""
    test, train = material.part(Split.TEST), material.part(Split.TRAIN)
    profiles, fitted = taught.calibrated.config.profiles, taught.calibrated.fit
    balanced = profiles[DEFAULT]
    student = Scorer(name="nano", score=taught.raw, threshold=balanced)
    teacher = Scorer(name="its chat teacher", score=taught.lessons.chat)
    others = [*compared, *baselines(train)]
    verdicts = centred_verdicts(test.chat)
    p_cloud, raw = taught.p_cloud(EXAMPLES), taught.raw(EXAMPLES)
    return TrainingReport(
        parameters=sum(weight.numel() for weight in taught.model.parameters()),
        vocabulary=taught.lessons.tokenizer.get_vocab_size(),
        seed=settings.seed,
        recipe=asdict(settings),
        counts=taught.lessons.counts,
        temperature=fitted.temperature,
        ece_before=fitted.ece_before,
        ece_after=fitted.ece_after,
        profiles=dict(profiles),
        cloud_rates=taught.cloud_rates,
        sources=count_sources(material),
        rated=judge_rated([student, teacher, *others], test.rated, material.part(Split.VALIDATION).rated),
        groups=by_group(replace(test.rated, groups=_groups(test)), taught.raw(test.rated.prompts), balanced),
        exam=_measured(test.exam, [replace(student, score=taught.p_cloud), *others], calibrated="nano"),
        chat={
            scorer.name: verdict_figures(scorer.score(verdicts.prompts), verdicts)
            for scorer in [student, teacher, *others]
        },
        forms=decided_alike(test.rated.prompts, taught.raw, balanced, seed=settings.seed),
        examples=tuple(
            ExampleDecision(prompt=prompt, p_cloud=float(p), target="cloud" if z > balanced else "device")
            for prompt, p, z in zip(EXAMPLES, p_cloud, raw, strict=True)
        ),
        seconds=time.monotonic() - started,
    )


def _groups(test: Material) -> tuple[str, ...]:
    """Return the group of each rated row, its source where it names none."""
    rows = zip(test.rated.groups, test.rated.sources, strict=True)
    return tuple(group or source or "other" for group, source in rows)


def _measured(rows: Any, scorers: Sequence[Scorer], *, calibrated: str) -> dict[str, MeasuredFigures]:
    return {
        scorer.name: measured_figures(scorer.score(rows.prompts), rows, calibrated=scorer.name == calibrated)
        for scorer in scorers
    }
