"""The nano's recipe on every labelled row, each judged by a student that has not seen it, as JSON.

    OMP_NUM_THREADS=1 python benchmarks/nano_cross_validation.py ../shared/data [--local-attention 16 ...]

Five times a fifth of the rows, two buckets of the prompt's hash, is held out; tokenizer, teacher, variants and student
are made from the rest, and from unlabelled prompts of the same buckets alone. Of the two buckets either one chooses the
temperature for the other, as the validation split does for the test split. Beside the student stand the teacher that
taught it and a bag of words fitted to the same rows.

The figures are of all rows at once, whose intervals are narrow, and of each tenth alone, for calibration error grows as
rows get fewer. Each student also decides the card's example prompts, at the threshold that sends as many of its
held-out prompts to the cloud as the profile `balanced` promises: how far they lie from it tells whether a recipe
decides them well or one run was lucky. Nothing is chosen here. A fold takes about fifteen minutes on one core, two go
side by side.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from vibe_router_export.checkpoint.router_config import RouterConfig
from vibe_router_tools.evaluation.curve import average_gap_recovered, quality_curve
from vibe_router_tools.evaluation.dataset import LabelledPrompts
from vibe_router_tools.evaluation.logistic import FloatArray, sigmoid
from vibe_router_tools.evaluation.metrics import auc
from vibe_router_tools.evaluation.reliability import expected_calibration_error
from vibe_router_tools.evaluation.temperature import fit_temperature
from vibe_router_training.baselines import bag_of_words
from vibe_router_training.data import BUCKETS, bucket, read_examples, read_prompts, take
from vibe_router_training.fit import fit
from vibe_router_training.nano.figures import Figures, Lead, figures, lead
from vibe_router_training.nano.lessons import prepare_lessons
from vibe_router_training.nano.recipe import LABELLED_NAME, UNLABELLED_NAME
from vibe_router_training.nano.settings import SILENT, NanoSettings
from vibe_router_training.nano.weak_labels import DEMO_PROMPTS
from vibe_router_training.router_config import choose_thresholds
from vibe_router_training.scoring import score_logits

FOLDS = BUCKETS // 2
LEARNING_RATE = 5e-4
STUDENT, TEACHER, WORDS = "nano", "teacher", "TF-IDF + logistic regression"


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The held-out rows of one fold, indices int [n], and what is said of them: p, float64 [n], by scorer.

    `example_margins`, float64 [prompts], is the student's p - threshold of `DEMO_PROMPTS`, before any temperature.
    """

    rows: list[int]
    by_scorer: dict[str, FloatArray]
    example_margins: FloatArray


@dataclass(frozen=True, kw_only=True)
class Tenth:
    """One scorer on the rows of one bucket."""

    bucket: int
    scorer: str
    auc: float
    apgr: float
    ece: float


@dataclass(frozen=True, kw_only=True)
class ExamplePrompt:
    """How far above its threshold each fold's student puts one of the card's example prompts."""

    prompt: str
    margins: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """All rows at once, the student's lead over the bag of words there, each tenth alone, and the example prompts."""

    figures: tuple[Figures, ...]
    lead: Lead
    tenths: tuple[Tenth, ...]
    examples: tuple[ExamplePrompt, ...]


def main() -> None:
    """Print a JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="The folder with the two files of prompts.")
    parser.add_argument("--workers", type=int, default=2, help="How many folds go side by side; default: 2.")
    recipe = NanoSettings()
    parser.add_argument("--learning-rate", type=float, default=LEARNING_RATE, help="default: %(default)g")
    for option, kind, default in (
        ("--local-attention", int, recipe.local_attention),
        ("--margin-share", float, recipe.margin_share),
        ("--device-weight", float, recipe.device_weight),
        ("--one-step-requests", int, recipe.one_step_requests),
        ("--variants", int, recipe.variants),
    ):
        parser.add_argument(option, type=kind, default=default, help="default: the recipe's, %(default)s")
    arguments = parser.parse_args()
    settings = replace(
        recipe,
        local_attention=arguments.local_attention,
        margin_share=arguments.margin_share,
        device_weight=arguments.device_weight,
        one_step_requests=arguments.one_step_requests,
        variants=arguments.variants,
        fit=replace(recipe.fit, learning_rate=arguments.learning_rate),
    )
    # A forked child would inherit locks of torch's threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.workers, mp_context=context) as pool:
        folds = list(pool.map(partial(score_fold, data=arguments.data, settings=settings), range(FOLDS)))
    outcome = summarise(read_examples(arguments.data / LABELLED_NAME), folds)
    sys.stdout.write(json.dumps(asdict(outcome), indent=2) + "\n")


def score_fold(fold: int, *, data: Path, settings: NanoSettings) -> Scores:
    """Fit the recipe to the rows of `data` outside one fold, at its fit's learning rate, and score those inside."""
    labelled = read_examples(data / LABELLED_NAME)
    inside = [bucket(prompt) // 2 == fold for prompt in labelled.prompts]
    outside = take(labelled, [row for row, held in enumerate(inside) if not held])
    held_rows = [row for row, held in enumerate(inside) if held]
    held = take(labelled, held_rows)
    others = [row for row in read_prompts(data / UNLABELLED_NAME) if bucket(row.prompt) // 2 != fold]
    lessons = prepare_lessons(outside, others, settings, events=SILENT)
    model = lessons.fresh_model()
    with tempfile.TemporaryDirectory() as work:
        fit(model, lessons.tokenizer, lessons.examples, (), settings.fit, work=Path(work))
    logits = score_logits(model, lessons.tokenizer, held.prompts)
    scores = {
        STUDENT: sigmoid(_each_by_the_others_temperature(logits, held)),
        TEACHER: lessons.expect(held.prompts),
        WORDS: bag_of_words(outside.prompts, outside.preference, held.prompts),
    }
    balanced = choose_thresholds(sigmoid(logits))[RouterConfig().default_profile]
    examples = sigmoid(score_logits(model, lessons.tokenizer, DEMO_PROMPTS))
    return Scores(rows=held_rows, by_scorer=scores, example_margins=examples - balanced)


def summarise(labelled: LabelledPrompts, folds: Sequence[Scores]) -> Outcome:
    """Judge what all folds say of their rows."""
    pooled = {name: np.full(len(labelled.prompts), np.nan) for name in (STUDENT, TEACHER, WORDS)}
    for fold in folds:
        for name, p in fold.by_scorer.items():
            pooled[name][fold.rows] = p
    buckets = [bucket(prompt) for prompt in labelled.prompts]
    tenths = []
    for number in range(BUCKETS):
        rows = [row for row, found in enumerate(buckets) if found == number]
        part = take(labelled, rows)
        tenths += [_tenth(number, name, part, p[rows]) for name, p in pooled.items()]
    return Outcome(
        figures=tuple(figures(name, labelled, p) for name, p in pooled.items()),
        lead=lead(labelled, pooled[STUDENT], pooled[WORDS]),
        tenths=tuple(tenths),
        examples=tuple(
            ExamplePrompt(prompt=prompt, margins=tuple(float(fold.example_margins[place]) for fold in folds))
            for place, prompt in enumerate(DEMO_PROMPTS)
        ),
    )


def _each_by_the_others_temperature(logits: FloatArray, held: LabelledPrompts) -> FloatArray:
    """Divide the logits of either bucket by the temperature that fits the other's labels."""
    first = np.array([bucket(prompt) % 2 == 0 for prompt in held.prompts])
    calibrated = np.empty_like(logits)
    for here in (first, ~first):
        calibrated[here] = logits[here] / fit_temperature(logits[~here], held.preference[~here]).temperature
    return calibrated


def _tenth(number: int, scorer: str, rows: LabelledPrompts, p: FloatArray) -> Tenth:
    curve = quality_curve(p, rows.device_quality, rows.cloud_quality)
    return Tenth(
        bucket=number,
        scorer=scorer,
        auc=auc(p, rows.preference),
        apgr=average_gap_recovered(curve),
        ece=expected_calibration_error(p, rows.preference),
    )


if __name__ == "__main__":
    main()
