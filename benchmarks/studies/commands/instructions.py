"""`python -m benchmarks instructions`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.results_file import RESULTS, write_with_machine


def instructions(
    bundle: Annotated[str, typer.Argument(help="A bundle's folder with a native file.")],
    threads: Annotated[int, typer.Option(min=1)] = 2,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of three calls, in turns.")] = 7,
    output: Annotated[Path, typer.Option("-o", "--output")] = RESULTS / "instructions.json",
) -> None:
    """Time the native engine on each instruction set of this processor; all must give the same bits."""
    from benchmarks.prompts import default_prompts
    from benchmarks.report.speed import instructions_table
    from benchmarks.studies.instructions import measure

    times = measure(bundle, default_prompts(64), threads=threads, rounds=rounds)
    by_name = {name: {str(tokens): value for tokens, value in one.items()} for name, one in times.items()}
    content = {"command": "python -m benchmarks instructions", "milliseconds": by_name}
    write_with_machine(output, content, threads=threads)
    typer.echo(instructions_table(by_name), nl=False)
