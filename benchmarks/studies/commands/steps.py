"""`python -m benchmarks steps`."""

from __future__ import annotations

from typing import Annotated

import typer


def steps(
    bundle: Annotated[str, typer.Argument(help="A bundle's folder with a native file.")],
    threads: Annotated[int, typer.Option(min=1)] = 2,
    calls: Annotated[int, typer.Option(min=1, help="Calls of each length.")] = 20,
) -> None:
    """Say where the time of the native engine's forward pass goes: milliseconds of computing, and of waiting."""
    from benchmarks.markdown import markdown
    from benchmarks.prompts import default_prompts
    from benchmarks.studies.step_times import measure

    times = measure(bundle, default_prompts(64), threads=threads, calls=calls)
    names = list(next(iter(times.values())))
    rows = [(name, *(f"{one[name][0]:.2f} + {one[name][1]:.2f}" for one in times.values())) for name in names]
    sums = [tuple(sum(part) for part in zip(*one.values(), strict=True)) for one in times.values()]
    rows.append(("all", *(f"{computing:.2f} + {waiting:.2f}" for computing, waiting in sums)))
    typer.echo(markdown((("", *map(str, times)), rows)), nl=False)
