"""The whole recipe of the bundled default: two files of prompts in, a calibrated checkpoint and its card out."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from vibe_router.evaluation.baselines import length_scores
from vibe_router.evaluation.dataset import LabelledPrompts
from vibe_router.evaluation.logistic import FloatArray, logit, sigmoid
from vibe_router.evaluation.metrics import route
from vibe_router_export.router_config import RouterConfig
from vibe_router_training.baselines import bag_of_words
from vibe_router_training.calibration import Calibrated, calibrate
from vibe_router_training.checkpoint import require_new, work_folder, write_checkpoint
from vibe_router_training.data import (
    Example,
    Split,
    read_examples,
    read_prompts,
    select,
    split_of,
    train_and_validation,
)
from vibe_router_training.distillation import LossSettings, Objective
from vibe_router_training.fit import FitSettings, release
from vibe_router_training.model import SHAPES, Size, build_model
from vibe_router_training.nano.card import training_card
from vibe_router_training.nano.embeddings import cooccurrence_embeddings
from vibe_router_training.nano.report import (
    DemoDecision,
    TrainingReport,
    count_sources,
    dump_report,
    figures,
    figures_by_source,
)
from vibe_router_training.nano.teacher import MARGIN_SHARE, out_of_fold
from vibe_router_training.nano.weak_labels import (
    CLOUD_SOURCES,
    DEMO_PROMPTS,
    DEVICE_SOURCES,
    weak_examples,
)
from vibe_router_training.progress import FitCallback
from vibe_router_training.scoring import score_logits
from vibe_router_training.sweep import Sweep, sweep
from vibe_router_training.tokenizer import VOCABULARY_SIZE, train_tokenizer

LABELLED_NAME, UNLABELLED_NAME = "routing_labelled.jsonl", "prompts.jsonl"
REPORT_NAME, CARD_NAME = "training_report.json", "TRAINING.md"


@dataclass(frozen=True, kw_only=True)
class NanoSettings:
    """Every number of the recipe; docs/nano.md says how they were chosen.

    The loss is plain cross-entropy: the teacher's predictions carry the margin already, and scores must be
    calibrated on data where most answers are equally good.
    """

    seed: int = 0
    vocabulary: int = VOCABULARY_SIZE
    size: Size = Size.NANO
    margin_share: float = MARGIN_SHARE
    learning_rates: tuple[float, ...] = (1e-3, 2e-3, 5e-4)
    fit: FitSettings = field(
        default_factory=lambda: FitSettings(
            epochs=2,
            adam_beta2=0.98,
            batch=64,
            max_tokens=128,
            schedule="cosine",
            loss=LossSettings(objective=Objective.CROSS_ENTROPY),
        )
    )


@dataclass(frozen=True, kw_only=True)
class NanoEvents:
    """What the recipe calls while it works: `stage` with each step's name, `fit` for each learning rate."""

    stage: Callable[[str], None]
    fit: Callable[[float], FitCallback | None]


def make_nano(data: Path, out: Path, settings: NanoSettings, *, events: NanoEvents | None = None) -> TrainingReport:
    """Train, calibrate and judge a nano from the folder `data`, and write it to the new folder `out`.

    An interrupted run resumes from the hidden work folder beside `out` when it is repeated.

    Raises:
        UsageError: `out` exists, or an interrupted run with other settings lies beside it.
        DataError: a file cannot be read, or has a bad row.
    """
    require_new(out)
    tell = events.stage if events else lambda _: None
    started = time.monotonic()
    tell("reading the data")
    labelled = read_examples(data / LABELLED_NAME)
    unlabelled = read_prompts(data / UNLABELLED_NAME)
    train, validation = train_and_validation(labelled, str(data / LABELLED_NAME))
    tell("training the tokenizer")
    known = [*train.prompts, *(row.prompt for row in unlabelled if split_of(row.prompt) is Split.TRAIN)]
    tokenizer = train_tokenizer(known, vocabulary_size=settings.vocabulary)
    start = cooccurrence_embeddings(tokenizer, known, width=SHAPES[settings.size].width, seed=settings.seed)
    tell("fitting the teacher")
    teacher = out_of_fold(train.prompts, train.preference, seed=settings.seed, margin_share=settings.margin_share)
    weak = weak_examples(unlabelled, seed=settings.seed)
    taught = [Example(prompt=text, p_teacher=float(p)) for text, p in zip(train.prompts, teacher, strict=True)]
    work = work_folder(out)
    swept = _sweep(tokenizer, start, [*taught, *weak], validation, settings, work=work, events=events)
    tell("calibrating")
    logits = score_logits(swept.model, tokenizer, validation.prompts)
    calibrated = calibrate(
        logits, validation.preference, config=RouterConfig(name=settings.size.value), choose_profiles=True
    )
    tell("judging")
    report = TrainingReport(
        name=settings.size.value,
        seed=settings.seed,
        parameters=sum(parameter.numel() for parameter in swept.model.parameters()),
        vocabulary=tokenizer.get_vocab_size(),
        recipe={**asdict(settings), "shape": asdict(SHAPES[settings.size])},
        sources=count_sources(labelled, unlabelled, [*DEVICE_SOURCES, *CLOUD_SOURCES]),
        weak_examples=len(weak),
        teacher=figures("teacher, out of fold", train, teacher),
        sweep=swept.rows,
        **_judge(swept.model, tokenizer, train, labelled, validation, logits, calibrated),
        seconds=time.monotonic() - started,
        versions=_versions(),
    )
    texts = {REPORT_NAME: dump_report(report), CARD_NAME: training_card(report)}
    files = {name: text.encode("utf-8") for name, text in texts.items()}
    write_checkpoint(out, swept.model, tokenizer, files={**calibrated.files(), **files})
    release(work)
    return report


def _sweep(
    tokenizer: Tokenizer,
    start: FloatArray,
    examples: Sequence[Example],
    validation: LabelledPrompts,
    settings: NanoSettings,
    *,
    work: Path,
    events: NanoEvents | None,
) -> Sweep:
    """Fit the student at each learning rate, its token embeddings from `start`, float [vocabulary, width].

    The validation loss is against the measured labels.
    """
    prior = float(logit(np.mean([example.p_teacher for example in examples])))

    def fresh_model() -> Any:
        torch.manual_seed(settings.seed)
        model = build_model(SHAPES[settings.size], tokenizer, bias=prior)
        model.get_input_embeddings().weight.data.copy_(torch.from_numpy(start))
        return model

    def progress(rate: float) -> FitCallback | None:
        if events is None:
            return None
        events.stage(f"fitting at learning rate {rate:g}")
        return events.fit(rate)

    truth = [
        Example(prompt=prompt, p_teacher=float(p))
        for prompt, p in zip(validation.prompts, validation.preference, strict=True)
    ]
    return sweep(
        fresh_model,
        tokenizer,
        examples,
        truth,
        settings.fit,
        learning_rates=settings.learning_rates,
        work=work,
        progress=progress,
    )


def _judge(
    model: Any,
    tokenizer: Tokenizer,
    train: LabelledPrompts,
    labelled: LabelledPrompts,
    validation: LabelledPrompts,
    logits: FloatArray,
    calibrated: Calibrated,
) -> dict[str, Any]:
    """Return the report's fields that come from scores; the only place that reads the test split."""
    config, temperature = calibrated.config, calibrated.fit.temperature
    test = select(labelled, [Split.TEST])
    test_scores = sigmoid(score_logits(model, tokenizer, test.prompts) / temperature)
    compared = {}
    for part, rows, scores in (
        ("validation", validation, sigmoid(logits / temperature)),
        ("test", test, test_scores),
    ):
        words = bag_of_words(train.prompts, train.preference, rows.prompts)
        compared[part] = (
            figures("nano", rows, scores),
            figures("TF-IDF + logistic regression", rows, words),
            figures("prompt length", rows, length_scores(rows.prompts), probabilities=False),
        )
    demo_logits = score_logits(model, tokenizer, DEMO_PROMPTS)
    balanced = config.profiles[config.default_profile]
    demo = tuple(
        DemoDecision(
            prompt=prompt,
            raw=float(sigmoid(z)),
            p_cloud=float(sigmoid(z / temperature)),
            target="cloud" if sigmoid(z) > balanced else "device",
        )
        for prompt, z in zip(DEMO_PROMPTS, demo_logits, strict=True)
    )
    return {
        "temperature": temperature,
        "ece_before": calibrated.fit.ece_before,
        "ece_after": calibrated.fit.ece_after,
        "profiles": dict(config.profiles),
        "cloud_rates": {name: float(np.mean(route(sigmoid(logits), value))) for name, value in config.profiles.items()},
        **compared,
        "test_by_source": figures_by_source("nano", test, test_scores),
        "demo": demo,
    }


def _versions() -> dict[str, str]:
    libraries = ("torch", "transformers", "tokenizers", "scikit-learn", "scipy", "numpy")
    return {"python": platform.python_version(), **{name: version(name) for name in libraries}}
