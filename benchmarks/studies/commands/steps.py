"""`python -m benchmarks steps`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.results_file import RESULTS, write_with_machine


def steps(
    bundle: Annotated[str, typer.Argument(help="A bundle's folder with a native file.")],
    threads: Annotated[int, typer.Option(min=1)] = 2,
    calls: Annotated[int, typer.Option(min=1, help="Calls of each length.")] = 20,
    output: Annotated[Path, typer.Option("-o", "--output")] = RESULTS / "steps.json",
) -> None:
    """Say where the time of the native engine's forward pass goes: milliseconds of computing, and of waiting."""
    from benchmarks.prompts import default_prompts
    from benchmarks.report.speed import steps_table
    from benchmarks.studies.step_times import measure

    times = measure(bundle, default_prompts(64), threads=threads, calls=calls)
    by_tokens = {str(tokens): {name: list(both) for name, both in one.items()} for tokens, one in times.items()}
    write_with_machine(output, {"command": "python -m benchmarks steps", "milliseconds": by_tokens}, threads=threads)
    typer.echo(steps_table(by_tokens), nl=False)
