"""The last step: the chosen recipe once more on every row, validation and test rows included.

Every choice is made before, on the validation split, and the figures in the card are those of the model that never
saw the test split. The weights that ship come from this refit: more rows make a better router, and nothing is left
to choose. They have no held-out rows of their own, so no figure of theirs can be measured on the same files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vibe_router_export.checkpoint.router_config import RouterConfig
from vibe_router_tools.evaluation.dataset import LabelledPrompts
from vibe_router_tools.evaluation.logistic import FloatArray, sigmoid
from vibe_router_training.data import RawPrompt
from vibe_router_training.fit import fit
from vibe_router_training.nano.choose import Chosen
from vibe_router_training.nano.lessons import Lessons, prepare_lessons
from vibe_router_training.nano.settings import NanoEvents
from vibe_router_training.router_config import choose_thresholds
from vibe_router_training.scoring import score_logits


@dataclass(frozen=True, kw_only=True)
class Refitted:
    """The model that ships, what it was taught, and its configuration.

    `logits` are its raw ones of the validation prompts, float64 [n]: prompts that it has seen.
    """

    model: Any
    lessons: Lessons
    config: RouterConfig
    logits: FloatArray

    def agreement(self, chosen: Chosen) -> float:
        """Return the correlation of its logits with those of the model it repeats."""
        return float(np.corrcoef(self.logits, chosen.logits)[0, 1])


def refit(
    chosen: Chosen, labelled: LabelledPrompts, unlabelled: Sequence[RawPrompt], *, work: Path, events: NanoEvents
) -> Refitted:
    """Repeat tokenizer, embeddings, teacher, variants, weak labels and student with all rows and what was chosen.

    Learning rate and number of epochs are those of the sweep's best row; nothing is held out, so nothing stops
    early. The temperature stays the one that `chosen` was calibrated with. The thresholds are chosen anew for the
    same cloud rates of the validation prompts, which needs no label.
    """
    row, settings = chosen.row(), chosen.lessons.settings
    lessons = prepare_lessons(labelled, unlabelled, settings, events=events)
    model = lessons.fresh_model()
    fit(
        model,
        lessons.tokenizer,
        lessons.examples,
        (),
        replace(settings.fit, learning_rate=row.learning_rate, epochs=row.best_epoch),
        work=work,
        progress=events.begin_fit("refitting on all rows"),
    )
    logits = score_logits(model, lessons.tokenizer, chosen.validation.prompts)
    config = replace(chosen.calibrated.config, profiles=choose_thresholds(sigmoid(logits)))
    return Refitted(model=model, lessons=lessons, config=config, logits=logits)
