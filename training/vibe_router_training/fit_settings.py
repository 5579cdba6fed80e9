"""Settings and result of a fit."""

from __future__ import annotations

from dataclasses import dataclass, field

from vibe_router_training.choices import Objective, OptimizerKind, Precision


@dataclass(frozen=True, kw_only=True)
class LossSettings:
    """`beta_kl` >= 0 weighs the reverse KL term; `margin_cap` in (0, 1] caps the margin."""

    objective: Objective = Objective.PID
    beta_kl: float = 0.05
    margin_cap: float = 0.9


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """The recipe; the defaults are the model card's, and the Trainer's where the card is silent.

    `warmup` is a share of all steps, `patience` a number of epochs. With Muon, `learning_rate` is that of the AdamW
    beside it, and Muon's is `muon_times` as high: its steps have another scale.
    """

    learning_rate: float = 5e-5
    optimizer: OptimizerKind = OptimizerKind.ADAMW
    muon_times: float = 10.0
    weight_decay: float = 0.01
    adam_beta2: float = 0.999
    warmup: float = 0.1
    schedule: str = "linear"
    epochs: int = 7
    patience: int = 3
    batch: int = 128
    max_tokens: int = 512
    seed: int = 0
    precision: Precision = Precision.AUTO
    loss: LossSettings = field(default_factory=LossSettings)


@dataclass(frozen=True, kw_only=True)
class FitResult:
    """What came out: the lowest validation loss (nats), its epoch, all epochs' losses, wall-clock seconds.

    Without validation examples the loss is None, there are no losses, and the epoch is the last one. A loss that is not
    finite says that the fit diverged.
    """

    validation_loss: float | None
    best_epoch: int
    validation_losses: tuple[float, ...]
    seconds: float
