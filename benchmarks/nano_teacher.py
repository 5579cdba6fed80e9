"""How the nano's teacher was chosen: out-of-fold figures on the training split by shares of its parts, as JSON.

    python benchmarks/nano_teacher.py ../shared/data/routing_labelled.jsonl

Validation and test rows are not read into any figure. About five minutes on one core.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

from vibe_router_tools.evaluation.dataset import LabelledPrompts
from vibe_router_tools.evaluation.logistic import FloatArray
from vibe_router_training.baselines import bag_of_words
from vibe_router_training.data import Split, read_examples, select
from vibe_router_training.nano.figures import Figures, figures
from vibe_router_training.nano.mix import Mix, fit_lifted_logistic
from vibe_router_training.nano.teacher import FOLDS, Teacher, fold_of

SHARES = (
    *((margin, 0.0) for margin in (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 1.0)),
    *((margin, 0.5) for margin in (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 1.0)),
    (0.0, 1.0),
)
"""Margin share and quality share of each mix."""


def main() -> None:
    """Print a JSON list with one object a scorer."""
    train = select(read_examples(Path(sys.argv[1])), [Split.TRAIN])
    rows: list[Figures] = [figures("TF-IDF + logistic regression", train, _bag_of_words(train))]
    fitted = Teacher(train, seed=0).out_of_fold
    for margin, quality in SHARES:
        mixed = Mix(fitted, train.preference, margin_share=margin, quality_share=quality).preference(fitted)
        rows.append(figures(f"teacher, margin share {margin:g}, quality share {quality:g}", train, mixed))
    scores = Mix(fitted, train.preference).mixed(fitted)
    without_floor = fit_lifted_logistic(scores, train.preference, highest_floor=0.0)
    rows.append(figures("teacher as it is, a curve without a floor", train, without_floor(scores)))
    sys.stdout.write(json.dumps([asdict(row) for row in rows], indent=2) + "\n")


def _bag_of_words(train: LabelledPrompts) -> FloatArray:
    folds = np.array([fold_of(prompt) for prompt in train.prompts])
    prompts = np.array(train.prompts, dtype=object)
    scores = np.zeros(len(prompts))
    for fold in range(FOLDS):
        seen, unseen = folds != fold, folds == fold
        scores[unseen] = bag_of_words(prompts[seen].tolist(), train.preference[seen], prompts[unseen].tolist())
    return scores


if __name__ == "__main__":
    main()
