"""`python -m benchmarks batch-budget`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.results_file import RESULTS, write_with_machine


def batch_budget(
    bundle: Annotated[str, typer.Argument(help="A bundle's folder.")],
    prompts: Annotated[Path | None, typer.Option(help="JSONL of prompts; default: the shared ones.")] = None,
    count: Annotated[int, typer.Option(min=1, help="How many prompts, taken evenly by length.")] = 125,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds in which the budgets take turns.")] = 7,
    output: Annotated[Path, typer.Option("-o", "--output")] = RESULTS / "batch-budget.json",
) -> None:
    """Measure how many tokens a padded batch should hold; print the prompts a second."""
    from benchmarks.prompts import default_prompts
    from benchmarks.report.speed import batches_table
    from benchmarks.studies.batch_budget import measure

    rates = measure(bundle, default_prompts(count, prompts), rounds=rounds)
    content = {"command": "python -m benchmarks batch-budget", "prompts": count, "prompts_per_second": rates}
    write_with_machine(output, content)
    typer.echo(batches_table(rates), nl=False)
