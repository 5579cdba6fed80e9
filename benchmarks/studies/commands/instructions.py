"""`python -m benchmarks instructions`."""

from __future__ import annotations

from typing import Annotated

import typer


def instructions(
    bundle: Annotated[str, typer.Argument(help="A bundle's folder with a native file.")],
    threads: Annotated[int, typer.Option(min=1)] = 2,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of three calls, in turns.")] = 7,
) -> None:
    """Time the native engine on each instruction set of this processor; all must give the same bits."""
    from benchmarks.markdown import markdown
    from benchmarks.prompts import default_prompts
    from benchmarks.studies.instructions import TOKENS, measure

    times = measure(bundle, default_prompts(64), threads=threads, rounds=rounds)
    rows = [(name, *(f"{by_tokens[tokens]:.1f}" for tokens in TOKENS)) for name, by_tokens in times.items()]
    typer.echo(markdown((("", *map(str, TOKENS)), rows)), nl=False)
