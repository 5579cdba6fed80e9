"""Optimisers of a fit: AdamW as the card has it, or Muon for the matrices of the layers beside AdamW for the rest.

Muon (Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024) makes the momentum of a matrix
orthogonal before it steps along it, so that rare directions move as far as common ones. A small model that is to
match a function from one pass over its lessons comes measurably nearer with it; docs/nano.md has the figures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

_EMBEDDINGS, _CLASSIFIER = "embeddings", "classifier"
_MOMENTUM, _ITERATIONS = 0.95, 5
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of Jordan et al.: the steepest at zero for which five iterations leave every singular value in 0.5..1.5."""


class Muon(torch.optim.Optimizer):
    """Muon in fp32: torch's own orthogonalises in bf16, which CPUs without it emulate ten times as slowly."""

    def __init__(self, weights: Sequence[torch.Tensor], *, learning_rate: float, weight_decay: float) -> None:
        """Take matrices; momentum and the number of iterations are those of Jordan et al."""
        super().__init__(list(weights), {"lr": learning_rate, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Move all matrices one step; return the closure's loss where there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                momentum = self.state[weight].setdefault("momentum", torch.zeros_like(weight))
                momentum.lerp_(weight.grad, 1.0 - _MOMENTUM)
                update = orthogonalised(weight.grad.lerp(momentum, _MOMENTUM))
                weight.mul_(1.0 - group["lr"] * group["weight_decay"])
                weight.add_(update, alpha=-group["lr"] * max(1.0, weight.shape[0] / weight.shape[1]) ** 0.5)
        return loss


def orthogonalised(matrix: torch.Tensor) -> torch.Tensor:
    """Return the matrix, float [m, n], with singular values near 1, by five quintic Newton-Schulz iterations."""
    a, b, c = _COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


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
        self._muon: torch.optim.Optimizer = Muon(hidden, learning_rate=muon_learning_rate, weight_decay=weight_decay)
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
