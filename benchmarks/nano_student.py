"""How near students of the nano's recipe come to their teacher, by what they are taught and how, as JSON.

    OMP_NUM_THREADS=1 python benchmarks/nano_student.py ../shared/data [--case muon-6-mean]

Every student has the recipe's shape, seed and learning rate, and learns from the training split in one epoch. `mean`
is taught the mean of the teacher's folds, `unseen` for each prompt the fold that has not seen it, and for a variant the
one that has not seen its first parent. Compared are the logits of the validation prompts, the teacher's being the mean,
for no fold has seen any of these. A student takes five to ten minutes on one core. With more threads sums round
otherwise, and a fit goes another way.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from vibe_router_tools.evaluation.dataset import LabelledPrompts
from vibe_router_tools.evaluation.logistic import FloatArray, logit, sigmoid
from vibe_router_tools.evaluation.metrics import negative_log_likelihood
from vibe_router_training.data import Example, Split, read_examples, read_prompts, split_of, train_and_validation
from vibe_router_training.fit import fit
from vibe_router_training.model import SHAPES, Size
from vibe_router_training.nano.figures import Figures, figures
from vibe_router_training.nano.lessons import Lessons, prepare_lessons
from vibe_router_training.nano.recipe import LABELLED_NAME, UNLABELLED_NAME
from vibe_router_training.nano.settings import SILENT, NanoSettings
from vibe_router_training.nano.variants import group_by_source
from vibe_router_training.optimizer import OptimizerKind
from vibe_router_training.scoring import score_logits

LEARNING_RATE = 5e-4
WINDOW = SHAPES[Size.NANO].local_attention


@dataclass(frozen=True, kw_only=True)
class Case:
    """One way to teach a student."""

    optimizer: OptimizerKind
    variants: int
    unseen: bool = False
    local_attention: int = WINDOW

    @property
    def name(self) -> str:
        """Return what `--case` calls it."""
        window = "" if self.local_attention == WINDOW else f"-window-{self.local_attention}"
        return f"{self.optimizer.value}-{self.variants}-{'unseen' if self.unseen else 'mean'}{window}"


CASES = (
    Case(optimizer=OptimizerKind.ADAMW, variants=6),
    Case(optimizer=OptimizerKind.MUON, variants=6, unseen=True),
    Case(optimizer=OptimizerKind.MUON, variants=6, local_attention=128),
    *(Case(optimizer=OptimizerKind.MUON, variants=variants) for variants in (3, 6, 12)),
)


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
    train, validation = train_and_validation(labelled, LABELLED_NAME)
    settings = NanoSettings(variants=max(case.variants for case in arguments.cases))
    unlabelled = read_prompts(arguments.data / UNLABELLED_NAME)
    known = [row for row in unlabelled if split_of(row.prompt) is Split.TRAIN]
    lessons = prepare_lessons(train, known, settings, events=SILENT)
    taught = logit(lessons.expect(validation.prompts))
    rows = [_row("teacher", taught, taught, validation)]
    for case in arguments.cases:
        examples = _examples(lessons, case)
        rows.append(_row(case.name, _student_logits(lessons, examples, case, validation), taught, validation))
    sys.stdout.write(json.dumps([asdict(row) for row in rows], indent=2) + "\n")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="The folder with the two files of prompts.")
    names = {case.name: case for case in CASES}
    parser.add_argument("--case", choices=names, action="append", help="One student; several times; default: all.")
    arguments = parser.parse_args()
    arguments.cases = [names[name] for name in arguments.case or names]
    return arguments


def _examples(lessons: Lessons, case: Case) -> tuple[Example, ...]:
    """Return what a case is taught."""
    rows = len(lessons.rows.prompts)
    examples = lessons.examples[: rows + lessons.weak + case.variants * rows]
    if not case.unseen:
        return examples
    # Each round of variants has the first parents in the order of their sources.
    parents = [row for group in group_by_source(lessons.rows.sources) for row in group]
    judged = [*range(rows), *(rows + lessons.weak + place for place in range(case.variants * rows))]
    folds = lessons.teacher.folds[[*range(rows), *(parents * case.variants)]]
    texts = [examples[place].prompt for place in judged]
    by_fold = [lessons.mix.preference(one) for one in lessons.teacher.logits_by_fold(texts)]
    taught = list(examples)
    for number, (place, fold) in enumerate(zip(judged, folds, strict=True)):
        taught[place] = replace(taught[place], p_teacher=float(by_fold[fold][number]))
    return tuple(taught)


def _student_logits(
    lessons: Lessons, examples: tuple[Example, ...], case: Case, validation: LabelledPrompts
) -> FloatArray:
    """Fit one student and return its logits of the validation prompts, float64 [n]."""
    shaped = replace(lessons.settings, local_attention=case.local_attention)
    model = replace(lessons, examples=examples, settings=shaped).fresh_model()
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
