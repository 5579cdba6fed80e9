"""`python -m benchmarks cold`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from benchmarks.peers.options import (
    EnginesOption,
    FreshOption,
    NameOption,
    OutputOption,
    PythonsOption,
    SourcesArgument,
    WorkOption,
)
from vibe_router_tools.console.output import print_table, progress_bar


def cold(
    sources: SourcesArgument,
    runs: Annotated[int, typer.Option(min=1, help="Fresh processes for each contender.")] = 10,
    threads: Annotated[int, typer.Option(min=1)] = 2,
    prompt: Annotated[str, typer.Option(help="What the first decision is about.")] = "what is 2+2?",
    seconds: Annotated[float, typer.Option(help="Begin no round that would end after so many seconds.")] = float("inf"),
    engines: EnginesOption = None,
    seed: int = 0,
    pythons: PythonsOption = None,
    work: WorkOption = None,
    name: NameOption = None,
    output: OutputOption = None,
    fresh: FreshOption = False,
) -> None:
    """Time fresh processes from their start to their first decision, by phase."""
    from benchmarks.peers.cold import cold_content, measure_cold
    from benchmarks.peers.contenders.registry import choose
    from benchmarks.peers.results import opening, path_for, read_to_add
    from benchmarks.peers.sources import read_sources
    from benchmarks.results_file import write_result

    chosen = read_sources(sources, work=work, pythons=pythons or [])
    head = opening("cold", chosen, name=name)
    path = path_for(head, output)
    old = read_to_add(path, head, fresh=fresh)
    with progress_bar("cold starts") as progress:
        starts, outcomes = measure_cold(
            choose(engines),
            chosen,
            prompt=prompt,
            runs=runs,
            threads=threads,
            seed=seed,
            limit=seconds,
            progress=progress,
        )
    settings = {"threads": threads, "prompt": prompt, "page_cache": "warm", "seed": seed}
    content = cold_content(head, settings, starts, outcomes, old)
    write_result(path, content)
    show(content)
    typer.echo(f"written to {path}", err=True)


def show(content: dict[str, Any]) -> None:
    """Print the table, and what was not measured."""
    from benchmarks.peers.tables import cold_table, not_measured

    print_table("process start to first decision, files in the page cache, median ms", *cold_table(content))
    for line in not_measured(content):
        typer.echo(line)
