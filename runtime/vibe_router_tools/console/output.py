"""Output of commands: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from vibe_router.policy import Decision
from vibe_router.printable import printable
from vibe_router.progress import Progress, ProgressCallback

if TYPE_CHECKING:
    from rich.console import Console

# Wide enough for the tables; a pipe has no width of its own.
_PIPE_WIDTH = 120


def print_json(value: Any, *, indent: int | None = 2) -> None:
    """Print `value` as JSON on stdout; `indent` None puts it on one line."""
    # Escapes of `printable` are those of JSON, and the characters they replace occur only inside texts.
    typer.echo(printable(json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False)))


def print_line(text: str = "", *, err: bool = False) -> None:
    """Print a line on stdout or stderr, without anything that a terminal would obey."""
    typer.echo(printable(text), err=err)


def decision_fields(decision: Decision) -> dict[str, Any]:
    """Return a decision as a dictionary of JSON values."""
    return asdict(decision) | {"target": decision.target.value, "reason": decision.reason.value}


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table on stdout, in colour on a terminal unless NO_COLOR is set."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=printable(title), title_justify="left", box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        # Text, not str: names from a bundle must not be read as markup.
        table.add_row(*(Text(printable(cell)) for cell in row))
    _console(sys.stdout).print(table)


@contextmanager
def progress_bar(label: str, *, total: int | None = None, between_results: bool = False) -> Iterator[ProgressCallback]:
    """Give a callback that draws a progress bar on stderr, or does nothing where stderr is no terminal.

    With `between_results` the block prints on stdout: where that is a terminal, too, the results themselves show how
    far it is, and a bar would stand among them.
    """
    if not sys.stderr.isatty() or (between_results and sys.stdout.isatty()):
        yield _ignore
        return
    from rich import progress

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=_console(sys.stderr), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda event: bar.update(task, completed=event.done, total=event.total)


def _ignore(event: Progress) -> None:
    """Draw nothing."""


def _console(stream: Any) -> Console:
    from rich.console import Console

    return Console(file=stream, width=None if stream.isatty() else _PIPE_WIDTH, highlight=False)
