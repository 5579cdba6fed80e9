"""How near students of the nano's recipe come to their teacher, by optimiser and number of variants, as JSON.

    OMP_NUM_THREADS=1 python benchmarks/nano_student.py ../shared/data [--case muon-6]

Every student has the recipe's shape, seed and learning rate, and learns from the training split in one epoch. Compared
are the logits of the validation prompts, the teacher's being the mean over its folds, for it has seen none of these.
A student takes five to ten minutes on one core. With more threads sums round otherwise, and a fit goes another way.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from vibe_router.evaluation.dataset import LabelledPrompts
from vibe_router.evaluation.logistic import FloatArray, logit, sigmoid
from vibe_router.evaluation.metrics import negative_log_likelihood
from vibe_router_training.data import Split, read_examples, read_prompts, train_and_validation
from vibe_router_training.fit import fit
from vibe_router_training.nano.lessons import Lessons, fit_teacher, prepare_lessons
from vibe_router_training.nano.recipe import LABELLED_NAME, UNLABELLED_NAME
from vibe_router_training.nano.report import Figures, figures
from vibe_router_training.nano.settings import SILENT, NanoSettings
from vibe_router_training.nano.teacher import FOLDS
from vibe_router_training.optimizer import OptimizerKind
from vibe_router_training.scoring import score_logits

LEARNING_RATE = 1e-3


@dataclass(frozen=True, kw_only=True)
class Case:
    """One way to teach a student."""

    optimizer: OptimizerKind
    variants: int

    @property
    def name(self) -> str:
        """Return what `--case` calls it."""
        return f"{self.optimizer.value}-{self.variants}"


CASES = tuple(Case(optimizer=optimizer, variants=variants) for variants in (3, 6) for optimizer in OptimizerKind)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One student: correlation of its logits with the teacher's, loss and ranking against the measured labels."""

    case: str
    correlation: float
    loss: float
    figures: Figures


def main() -> None:
    """Print a JSON list: the teacher, then each student."""
    arguments = _parse()
    labelled = read_examples(arguments.data / LABELLED_NAME)
    _, validation = train_and_validation(labelled, LABELLED_NAME)
    settings = NanoSettings(variants=max(case.variants for case in arguments.cases))
    unlabelled = read_prompts(arguments.data / UNLABELLED_NAME)
    lessons = prepare_lessons(labelled, unlabelled, settings, parts=(Split.TRAIN,), events=SILENT)
    taught = _teacher_logits(lessons, validation)
    rows = [_row("teacher", taught, taught, validation)]
    for case in arguments.cases:
        rows.append(_row(case.name, _student_logits(lessons, case, validation), taught, validation))
    sys.stdout.write(json.dumps([asdict(row) for row in rows], indent=2) + "\n")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="The folder with the two files of prompts.")
    names = {case.name: case for case in CASES}
    parser.add_argument("--case", choices=names, action="append", help="One student; several times; default: all.")
    arguments = parser.parse_args()
    arguments.cases = [names[name] for name in arguments.case or names]
    return arguments


def _teacher_logits(lessons: Lessons, validation: LabelledPrompts) -> FloatArray:
    """Return the teacher's logits of the validation prompts, float64 [n]."""
    teacher, mix = fit_teacher(lessons.rows, lessons.settings)
    folds = [np.full(len(validation.prompts), fold) for fold in range(FOLDS)]
    judged = [logit(mix.preference(teacher.logits(validation.prompts, fold))) for fold in folds]
    return np.asarray(np.mean(judged, axis=0), dtype=np.float64)


def _student_logits(lessons: Lessons, case: Case, validation: LabelledPrompts) -> FloatArray:
    """Fit one student and return its logits of the validation prompts, float64 [n]."""
    rows = len(lessons.taught)
    examples = lessons.examples[: rows + lessons.weak + case.variants * rows]
    model = replace(lessons, examples=examples).fresh_model()
    settings = replace(lessons.settings.fit, learning_rate=LEARNING_RATE, optimizer=case.optimizer)
    with tempfile.TemporaryDirectory() as work:
        fit(model, lessons.tokenizer, examples, (), settings, work=Path(work))
    return score_logits(model, lessons.tokenizer, validation.prompts)


def _row(name: str, logits: FloatArray, taught: FloatArray, validation: LabelledPrompts) -> Row:
    p = sigmoid(logits)
    return Row(
        case=name,
        correlation=float(np.corrcoef(logits, taught)[0, 1]),
        loss=negative_log_likelihood(p, validation.preference),
        figures=figures(name, validation, p),
    )


if __name__ == "__main__":
    main()
