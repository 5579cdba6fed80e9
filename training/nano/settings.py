"""Every number of the recipe, and what it tells while it works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from nano.mix import MARGIN_SHARE, QUALITY_SHARE
from vibe_router_export.choices import Size
from vibe_router_training.choices import Objective, OptimizerKind, Precision
from vibe_router_training.fit_settings import FitSettings, LossSettings
from vibe_router_training.model import SHAPES, Shape
from vibe_router_training.progress import FitCallback
from vibe_router_training.tokenizer import VOCABULARY_SIZE


@dataclass(frozen=True, kw_only=True)
class NanoSettings:
    """Every number of the recipe; docs/nano.md says why.

    `chat_mass` and `verifiable_mass` say how many ratings a measured verdict weighs in the chat teacher. `intents` is
    how many of the many short assistant's intents are taught, `rated_forms` in how many forms each labelled chat
    prompt is, `splices` how many recombinations there are of each chat prompt and `foreign_splices` of each that is not
    English, `exam_variants` how many of each exam row. `pasted` is how many requests about a pasted text are taught,
    and `pasted_rated` how many of them the chat teacher learns as well. Everything comes once, in one epoch: a further
    variant tells more of the teachers' function than the same prompt again. `small_share` of it comes again in small
    letters, at `small_learning_rate`.
    """

    seed: int = 0
    vocabulary: int = VOCABULARY_SIZE
    size: Size = Size.NANO
    margin_share: float = MARGIN_SHARE
    quality_share: float = QUALITY_SHARE
    chat_mass: float = 3.0
    verifiable_mass: float = 0.1
    intents: int = 4000
    one_step_requests: int = 1200
    rated_forms: int = 6
    splices: int = 1
    foreign_splices: int = 2
    exam_variants: int = 2
    pasted: int = 3000
    pasted_rated: int = 300
    fit: FitSettings = field(
        default_factory=lambda: FitSettings(
            optimizer=OptimizerKind.MUON,
            learning_rate=7e-4,
            epochs=1,
            adam_beta2=0.98,
            batch=64,
            max_tokens=192,
            schedule="cosine",
            loss=LossSettings(objective=Objective.CROSS_ENTROPY),
            precision=Precision.FP32,
        )
    )

    small_share: float = 0.3
    small_learning_rate: float = 3e-4

    def small_letters(self) -> FitSettings:
        """Return the settings of the second fit, in small letters."""
        return replace(self.fit, learning_rate=self.small_learning_rate)

    def shape(self) -> Shape:
        """Return the shape of the student: dropout would blur a function that is to be matched."""
        return replace(SHAPES[self.size], dropout=0.0)


@dataclass(frozen=True, kw_only=True)
class NanoEvents:
    """What the recipe calls while it works: `stage` with each step's name, `fit` with each fit's."""

    stage: Callable[[str], None]
    fit: Callable[[str], FitCallback | None]

    def begin_fit(self, name: str) -> FitCallback | None:
        """Tell the stage and return the callback of the fit."""
        self.stage(name)
        return self.fit(name)


SILENT = NanoEvents(stage=lambda _: None, fit=lambda _: None)
"""Tells nothing."""
