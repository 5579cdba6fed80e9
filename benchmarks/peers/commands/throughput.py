"""`python -m benchmarks throughput`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from benchmarks.peers.options import (
    EnginesOption,
    FreshOption,
    NameOption,
    OutputOption,
    PromptsOption,
    PythonsOption,
    SourcesArgument,
    WorkOption,
)
from benchmarks.peers.throughput import Way
from vibe_router_tools.console.output import print_table, progress_bar


def throughput(
    sources: SourcesArgument,
    count: Annotated[int, typer.Option(min=1, help="How many prompts, taken evenly by length.")] = 1000,
    ways: Annotated[list[Way] | None, typer.Option("--ways", help="Several times; default: all.")] = None,
    threads: Annotated[int, typer.Option(min=1)] = 2,
    rounds: Annotated[int, typer.Option(min=1, help="How often each decides all prompts, in turn; medians.")] = 3,
    engines: EnginesOption = None,
    prompts: PromptsOption = None,
    seed: int = 0,
    pythons: PythonsOption = None,
    work: WorkOption = None,
    name: NameOption = None,
    output: OutputOption = None,
    fresh: FreshOption = False,
) -> None:
    """Decide many real prompts, from text: one by one, in batches, from several threads."""
    import random

    from benchmarks.peers.contenders.registry import choose
    from benchmarks.peers.outcome import Outcome
    from benchmarks.peers.results import opening, path_for, read_to_add
    from benchmarks.peers.sources import read_sources
    from benchmarks.peers.throughput import measure_throughput, throughput_content
    from benchmarks.prompts import default_prompts, describe
    from benchmarks.results_file import write_result

    chosen = read_sources(sources, work=work, pythons=pythons or [])
    head = opening("throughput", chosen, name=name)
    path = path_for(head, output)
    content = read_to_add(path, head, fresh=fresh)
    texts = default_prompts(count, prompts)
    random.Random(seed).shuffle(texts)
    settings = {"prompts": describe(prompts), "seed": seed}

    def save(rows: list[dict[str, Any]], outcomes: list[Outcome]) -> None:
        nonlocal content
        content = throughput_content(head, settings, rows, outcomes, content)
        write_result(path, content)

    with progress_bar("throughput") as progress:
        measure_throughput(
            choose(engines),
            chosen,
            texts,
            ways=ways or list(Way),
            threads=threads,
            rounds=rounds,
            save=save,
            progress=progress,
        )
    if content is not None:
        show(content)
    typer.echo(f"written to {path}", err=True)


def show(content: dict[str, Any]) -> None:
    """Print the table, and what was not measured."""
    from benchmarks.peers.tables import not_measured, throughput_table

    print_table("prompts a second, from text, medians", *throughput_table(content))
    for line in not_measured(content):
        typer.echo(line)
