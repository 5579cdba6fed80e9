"""From trained models to the report. The only place that reads the test split."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version

import numpy as np

from vibe_router_tools.evaluation.baselines import length_scores
from vibe_router_tools.evaluation.dataset import LabelledPrompts
from vibe_router_tools.evaluation.logistic import FloatArray, sigmoid
from vibe_router_tools.evaluation.metrics import route
from vibe_router_training.baselines import bag_of_words
from vibe_router_training.data import RawPrompt, Split, select
from vibe_router_training.nano.choose import Chosen
from vibe_router_training.nano.figures import Figures, Lead, figures, figures_by_source, lead
from vibe_router_training.nano.refit import Refitted
from vibe_router_training.nano.report import DemoDecision, RefitSummary, TrainingReport, count_sources
from vibe_router_training.nano.weak_labels import CLOUD_SOURCES, DEMO_PROMPTS, DEVICE_SOURCES
from vibe_router_training.scoring import score_logits


def judge(
    chosen: Chosen,
    refitted: Refitted,
    labelled: LabelledPrompts,
    unlabelled: Sequence[RawPrompt],
    *,
    started: float,
) -> TrainingReport:
    """Return the report: figures of the `chosen` model, thresholds and example decisions of the refitted one.

    `started` is when the run began, on the monotonic clock.
    """
    lessons, settings = chosen.lessons, chosen.lessons.settings
    calibration, config = chosen.calibrated.fit, refitted.config
    test = select(labelled, [Split.TEST])
    test_scores = sigmoid(score_logits(chosen.swept.model, lessons.tokenizer, test.prompts) / calibration.temperature)
    validation_scores = sigmoid(chosen.logits / calibration.temperature)
    raw = sigmoid(refitted.logits)
    validation_figures, validation_lead = _compare(lessons.rows, chosen.validation, validation_scores)
    test_figures, test_lead = _compare(lessons.rows, test, test_scores)
    return TrainingReport(
        name=settings.size.value,
        seed=settings.seed,
        parameters=sum(parameter.numel() for parameter in refitted.model.parameters()),
        vocabulary=refitted.lessons.tokenizer.get_vocab_size(),
        recipe={**asdict(settings), "shape": asdict(settings.shape())},
        sources=count_sources(labelled, unlabelled, [*DEVICE_SOURCES, *CLOUD_SOURCES]),
        variants=lessons.variants,
        weak_examples=lessons.weak,
        teacher=figures("teacher, out of fold", lessons.rows, lessons.mix.preference(lessons.teacher.out_of_fold)),
        sweep=chosen.swept.rows,
        temperature=calibration.temperature,
        ece_before=calibration.ece_before,
        ece_after=calibration.ece_after,
        profiles=dict(config.profiles),
        cloud_rates={name: float(np.mean(route(raw, value))) for name, value in config.profiles.items()},
        validation=validation_figures,
        validation_lead=validation_lead,
        test=test_figures,
        test_lead=test_lead,
        test_by_source=figures_by_source("nano", test, test_scores),
        refit=RefitSummary(
            rows=len(refitted.lessons.rows.prompts),
            variants=refitted.lessons.variants,
            weak_examples=refitted.lessons.weak,
            agreement=refitted.agreement(chosen),
        ),
        demo=_decide_examples(refitted),
        seconds=time.monotonic() - started,
        versions=_versions(),
    )


def _compare(train: LabelledPrompts, judged: LabelledPrompts, scores: FloatArray) -> tuple[tuple[Figures, ...], Lead]:
    """Return the figures of the nano's p, float [n], of a bag of words and of the length; and the lead over words."""
    words = bag_of_words(train.prompts, train.preference, judged.prompts)
    compared = (
        figures("nano", judged, scores),
        figures("TF-IDF + logistic regression", judged, words),
        figures("prompt length", judged, length_scores(judged.prompts), probabilities=False),
    )
    return compared, lead(judged, scores, words)


def _decide_examples(refitted: Refitted) -> tuple[DemoDecision, ...]:
    """Decide the model card's example prompts at the default profile."""
    config = refitted.config
    threshold, temperature = config.profiles[config.default_profile], config.temperature or 1.0
    logits = score_logits(refitted.model, refitted.lessons.tokenizer, DEMO_PROMPTS)
    return tuple(
        DemoDecision(
            prompt=prompt,
            raw=float(sigmoid(z)),
            p_cloud=float(sigmoid(z / temperature)),
            target="cloud" if sigmoid(z) > threshold else "device",
        )
        for prompt, z in zip(DEMO_PROMPTS, logits, strict=True)
    )


def _versions() -> dict[str, str]:
    libraries = ("torch", "transformers", "tokenizers", "scikit-learn", "scipy", "numpy")
    return {"python": platform.python_version(), **{name: version(name) for name in libraries}}
