"""Every number of the recipe, and what it tells while it works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from vibe_router_training.distillation import LossSettings, Objective
from vibe_router_training.fit_settings import FitSettings
from vibe_router_training.model import SHAPES, Shape, Size
from vibe_router_training.nano.mix import MARGIN_SHARE, QUALITY_SHARE
from vibe_router_training.nano.weak_labels import DEVICE_WEIGHT, ONE_STEP_REQUESTS
from vibe_router_training.optimizer import OptimizerKind
from vibe_router_training.progress import FitCallback
from vibe_router_training.tokenizer import VOCABULARY_SIZE


@dataclass(frozen=True, kw_only=True)
class NanoSettings:
    """Every number of the recipe; docs/nano.md says how they were chosen.

    `variants` is how many variants of each labelled prompt are taught beside it. Everything comes once, in one epoch:
    a further variant tells more of the teacher's function than the same prompt again. Dropout would blur a function
    that is to be matched, and Muon brings the student nearer to it than AdamW does in as many steps. The loss is plain
    cross-entropy: the teacher's predictions carry the margin already, and scores must be calibrated on data where
    most answers are equally good.
    """

    seed: int = 0
    vocabulary: int = VOCABULARY_SIZE
    size: Size = Size.NANO
    dropout: float = 0.0
    local_attention: int = SHAPES[Size.NANO].local_attention
    margin_share: float = MARGIN_SHARE
    quality_share: float = QUALITY_SHARE
    device_weight: float = DEVICE_WEIGHT
    one_step_requests: int = ONE_STEP_REQUESTS
    variants: int = 6
    learning_rates: tuple[float, ...] = (5e-4, 7e-4)
    fit: FitSettings = field(
        default_factory=lambda: FitSettings(
            optimizer=OptimizerKind.MUON,
            epochs=1,
            adam_beta2=0.98,
            batch=64,
            max_tokens=192,
            schedule="cosine",
            loss=LossSettings(objective=Objective.CROSS_ENTROPY),
        )
    )

    def shape(self) -> Shape:
        """Return the shape of the student."""
        return replace(SHAPES[self.size], dropout=self.dropout, local_attention=self.local_attention)


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
