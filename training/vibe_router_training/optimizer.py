"""Optimisers of a fit: AdamW as the card has it, or Muon for the matrices of the layers beside AdamW for the rest.

Muon (Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024) makes the momentum of a matrix
orthogonal before it steps along it, so that rare directions move as far as common ones. A small model that is to
match a function from one pass over its lessons comes measurably nearer with it; docs/nano.md has the figures.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

import torch

_EMBEDDINGS, _CLASSIFIER = "embeddings", "classifier"


class OptimizerKind(str, Enum):
    """What moves the weights."""

    ADAMW = "adamw"
    MUON = "muon"


class MuonBesideAdamW(torch.optim.Optimizer):
    """Muon for the weight matrices between hidden units, AdamW for embeddings, norms and classifier.

    To schedulers and snapshots it is one optimiser: `param_groups` holds the groups of both.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        *,
        learning_rate: float,
        muon_learning_rate: float,
        weight_decay: float,
        betas: tuple[float, float],
    ) -> None:
        """Take the trainable parameters of `model`; `betas` are AdamW's, `learning_rate` too."""
        named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
        hidden = [weight for name, weight in named if _is_hidden(name, weight)]
        rest = [weight for name, weight in named if not _is_hidden(name, weight)]
        super().__init__([*hidden, *rest], {"lr": learning_rate})
        self._muon: torch.optim.Optimizer = torch.optim.Muon(hidden, lr=muon_learning_rate, weight_decay=weight_decay)
        self._adamw: torch.optim.Optimizer = torch.optim.AdamW(
            rest, lr=learning_rate, betas=betas, weight_decay=weight_decay
        )
        self._share_groups()

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Move all weights one step; return the closure's loss where there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._muon.step()
        self._adamw.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Return the state of both."""
        return {"muon": self._muon.state_dict(), "adamw": self._adamw.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self._muon.load_state_dict(state_dict["muon"])
        self._adamw.load_state_dict(state_dict["adamw"])
        # Loading replaces the groups, and a scheduler sets its rates in those it finds here.
        self._share_groups()

    def _share_groups(self) -> None:
        self.param_groups = [*self._muon.param_groups, *self._adamw.param_groups]


def _is_hidden(name: str, weight: torch.Tensor) -> bool:
    return weight.ndim == 2 and _EMBEDDINGS not in name and _CLASSIFIER not in name
