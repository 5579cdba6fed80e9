"""`python -m benchmarks batch-budget`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def batch_budget(
    bundle: Annotated[str, typer.Argument(help="A bundle's folder.")],
    prompts: Annotated[Path | None, typer.Option(help="JSONL of prompts; default: the shared ones.")] = None,
    count: Annotated[int, typer.Option(min=1, help="How many prompts, taken evenly by length.")] = 125,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds in which the budgets take turns.")] = 7,
) -> None:
    """Measure how many tokens a padded batch should hold; print a Markdown table of prompts a second."""
    from benchmarks.markdown import markdown
    from benchmarks.prompts import default_prompts
    from benchmarks.studies.batch_budget import measure

    rates = measure(bundle, default_prompts(count, prompts), rounds=rounds)
    rows = [(name, f"{rate:.0f}") for name, rate in rates.items()]
    typer.echo(markdown((("a batch holds", "prompts a second"), rows)), nl=False)
