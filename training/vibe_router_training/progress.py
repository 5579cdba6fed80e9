"""Progress events of a fit, and the Trainer's callback that emits them."""

# The Trainer names the arguments of its events; most of them are of no use here.
# ruff: noqa: ARG002

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from transformers import TrainerCallback


@dataclass(frozen=True, kw_only=True)
class FitProgress:
    """The state of one fit: optimiser steps, losses in nats (None where not known yet), seconds left."""

    step: int
    total_steps: int
    loss: float | None
    validation_loss: float | None
    seconds_left: float | None


FitCallback = Callable[[FitProgress], None]


class ReportProgress(TrainerCallback):  # type: ignore[misc]  # transformers carries no types
    """Call `report` after each step and each evaluation."""

    def __init__(self, report: FitCallback) -> None:
        self._report = report
        self._loss: float | None = None
        self._validation_loss: float | None = None
        self._started = time.monotonic()
        self._first_step = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock; a resumed run counts from the step it resumes at."""
        self._started = time.monotonic()
        self._first_step = state.global_step

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Report the step."""
        self._tell(state)

    def on_log(
        self,
        args: Any,
        state: Any,
        control: Any,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Keep the training loss."""
        self._loss = (logs or {}).get("loss", self._loss)

    def on_evaluate(
        self,
        args: Any,
        state: Any,
        control: Any,
        metrics: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Keep and report the validation loss."""
        self._validation_loss = (metrics or {}).get("eval_loss", self._validation_loss)
        self._tell(state)

    def _tell(self, state: Any) -> None:
        done = state.global_step - self._first_step
        elapsed = time.monotonic() - self._started
        left = elapsed / done * (state.max_steps - state.global_step) if done else None
        self._report(
            FitProgress(
                step=state.global_step,
                total_steps=state.max_steps,
                loss=self._loss,
                validation_loss=self._validation_loss,
                seconds_left=left,
            )
        )
