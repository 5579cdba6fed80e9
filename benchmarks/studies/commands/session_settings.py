"""`python -m benchmarks session-settings`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def session_settings(
    graph: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="An ONNX file of a bundle.")],
    rounds: Annotated[int, typer.Option(min=1, help="Processes of each setting, in turns.")] = 5,
    busy: Annotated[int, typer.Option(min=0, help="Spinning processes next to them.")] = 0,
) -> None:
    """Measure what each setting of an ONNX Runtime session costs and saves; Linux only."""
    from benchmarks.markdown import markdown
    from benchmarks.studies.session_settings import compare

    medians = compare(graph, rounds=rounds, busy=busy)
    columns = list(next(iter(medians.values())))
    rows = [(name, *(f"{row[column]:.1f}" for column in columns)) for name, row in medians.items()]
    typer.echo(markdown((("settings", *columns), rows)), nl=False)
