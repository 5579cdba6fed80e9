"""Progress and results of the commands of `router-train`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from vibe_router_training.progress import FitCallback, FitProgress


@contextmanager
def fit_bars() -> Iterator[Callable[[str], FitCallback]]:
    """Yield a function that gives a progress callback for a named fit, drawn on a terminal's stderr only."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]}  validation {task.fields[validation]}  {task.fields[left]} left"),
        console=console,
        disable=not console.is_terminal,
    )

    def bar(description: str) -> FitCallback:
        task = bars.add_task(description, total=None, loss="-", validation="-", left="-")

        def show(state: FitProgress) -> None:
            bars.update(
                task,
                completed=state.step,
                total=state.total_steps,
                loss="-" if state.loss is None else f"{state.loss:.4f}",
                validation="-" if state.validation_loss is None else f"{state.validation_loss:.4f}",
                left="-" if state.seconds_left is None else f"{state.seconds_left / 60:.1f} min",
            )

        return show

    with bars:
        yield bar


def print_result(result: dict[str, Any], text: str, *, as_json: bool) -> None:
    """Print `result` as one JSON object, or `text`."""
    typer.echo(json.dumps(result, ensure_ascii=False) if as_json else text)
