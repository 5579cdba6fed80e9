"""The same fit at several learning rates: the card's table, and the best model."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from vibe_router.errors import UsageError
from vibe_router_tools.markdown import table
from vibe_router_training.data import Example
from vibe_router_training.fit import fit
from vibe_router_training.fit_settings import FitResult, FitSettings
from vibe_router_training.progress import FitCallback

LEARNING_RATES = (1e-5, 2e-5, 5e-5)


@dataclass(frozen=True, kw_only=True)
class SweepRow:
    """One learning rate: its validation loss in nats, None where it diverged, the epoch of it, wall-clock seconds."""

    learning_rate: float
    validation_loss: float | None
    best_epoch: int
    seconds: float
    best: bool


@dataclass(frozen=True)
class Sweep:
    """The table, and the model of the row marked best."""

    rows: tuple[SweepRow, ...]
    model: Any


def sweep(
    make_model: Callable[[], Any],
    tokenizer: Tokenizer,
    train: Sequence[Example],
    validation: Sequence[Example],
    settings: FitSettings,
    *,
    learning_rates: Sequence[float] = LEARNING_RATES,
    work: Path,
    progress: Callable[[float], FitCallback | None] | None = None,
) -> Sweep:
    """Fit one model from `make_model` for each learning rate; the lowest validation loss is the best.

    `progress(learning_rate)` gives the callback for one fit. `work` holds one folder a rate, so an
    interrupted sweep resumes within the fit that was running.

    Raises:
        UsageError: there are no validation examples; every fit diverged; or as fit.
    """
    results: list[tuple[float, FitResult]] = []
    best_model: Any = None
    for rate in learning_rates:
        model = make_model()
        result = fit(
            model,
            tokenizer,
            train,
            validation,
            replace(settings, learning_rate=rate),
            work=work / f"lr-{rate:g}",
            progress=progress(rate) if progress else None,
        )
        if all(_loss(result) < _loss(earlier) for _, earlier in results):
            best_model = model
        results.append((rate, result))
    lowest = min(_loss(result) for _, result in results)
    if math.isinf(lowest):
        raise diverged()
    rows = tuple(
        SweepRow(
            learning_rate=rate,
            validation_loss=None if math.isinf(_loss(result)) else _loss(result),
            best_epoch=result.best_epoch,
            seconds=result.seconds,
            best=_loss(result) == lowest,
        )
        for rate, result in sorted(results, key=lambda pair: pair[0])
    )
    return Sweep(rows, best_model)


def _loss(result: FitResult) -> float:
    """Return the validation loss of a fit that had validation examples; infinity where it diverged.

    Raises:
        UsageError: it had none, so that nothing can be compared.
    """
    if result.validation_loss is None:
        raise UsageError("a sweep compares validation losses", hint="give validation examples")
    return result.validation_loss if math.isfinite(result.validation_loss) else math.inf


def diverged() -> UsageError:
    """Return the error of a fit that learned nothing."""
    return UsageError("the fit diverged: its validation loss is not finite", hint="give a lower learning rate")


def sweep_json(rows: Sequence[SweepRow]) -> str:
    """Return the table as JSON text."""
    return json.dumps([asdict(row) for row in rows], indent=2) + "\n"


def sweep_markdown(rows: Sequence[SweepRow]) -> str:
    """Return the table as Markdown, the best row marked."""
    columns = ("learning rate", "validation loss", "best epoch", "minutes", "")
    cells = [
        (
            f"{row.learning_rate:.1e}",
            "diverged" if row.validation_loss is None else f"{row.validation_loss:.4f}",
            str(row.best_epoch),
            f"{row.seconds / 60:.1f}",
            "best" if row.best else "",
        )
        for row in rows
    ]
    return table(columns, cells, marks=[*[" ---: "] * 4, " --- "])
