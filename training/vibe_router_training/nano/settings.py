"""Every number of the recipe, and what it tells while it works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from vibe_router_training.distillation import LossSettings, Objective
from vibe_router_training.fit import FitSettings
from vibe_router_training.model import Size
from vibe_router_training.nano.teacher import MARGIN_SHARE
from vibe_router_training.progress import FitCallback
from vibe_router_training.tokenizer import VOCABULARY_SIZE


@dataclass(frozen=True, kw_only=True)
class NanoSettings:
    """Every number of the recipe; docs/nano.md says how they were chosen.

    `variants` is the number of teacher-labelled variants for each labelled prompt. The loss is plain
    cross-entropy: the teacher's predictions carry the margin already, and scores must be calibrated on data
    where most answers are equally good.
    """

    seed: int = 0
    vocabulary: int = VOCABULARY_SIZE
    size: Size = Size.NANO
    margin_share: float = MARGIN_SHARE
    variants: int = 1
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
    """What the recipe calls while it works: `stage` with each step's name, `fit` with each fit's."""

    stage: Callable[[str], None]
    fit: Callable[[str], FitCallback | None]

    def begin_fit(self, name: str) -> FitCallback | None:
        """Tell the stage and return the callback of the fit."""
        self.stage(name)
        return self.fit(name)


SILENT = NanoEvents(stage=lambda _: None, fit=lambda _: None)
"""Tells nothing."""
