"""`python -m benchmarks memory`."""

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

_SEQUENCES = 500


def memory(
    sources: SourcesArgument,
    calls: Annotated[int, typer.Option(min=10, help="Calls of mixed lengths for each contender.")] = 20_000,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    max_tokens: Annotated[
        int, typer.Option(min=4, help="The longest of the lengths, which are even in logarithm.")
    ] = 512,
    engines: EnginesOption = None,
    seed: int = 0,
    pythons: PythonsOption = None,
    work: WorkOption = None,
    name: NameOption = None,
    output: OutputOption = None,
    fresh: FreshOption = False,
) -> None:
    """Measure peak resident memory, and its slope over many calls of mixed lengths."""
    import numpy as np

    from benchmarks.peers.contenders.registry import choose
    from benchmarks.peers.memory import measure_memory, memory_content
    from benchmarks.peers.outcome import Outcome
    from benchmarks.peers.results import opening, path_for, read_to_add
    from benchmarks.peers.sources import read_sources
    from benchmarks.prompts import default_prompts
    from benchmarks.results_file import write_result
    from vibe_router_tools.measurement.workload import sequences_of

    chosen = read_sources(sources, work=work, pythons=pythons or [])
    head = opening("memory", chosen, name=name)
    path = path_for(head, output)
    content = read_to_add(path, head, fresh=fresh)
    lengths = np.unique(np.geomspace(2, max_tokens, 64).astype(int))
    by_length = sequences_of(chosen.tokenizer(), default_prompts(200), [int(length) for length in lengths])
    order = np.random.default_rng(seed).choice(lengths, _SEQUENCES)
    settings = {"calls": calls, "max_tokens": max_tokens, "seed": seed}

    def save(rows: list[dict[str, Any]], outcomes: list[Outcome]) -> None:
        nonlocal content
        content = memory_content(head, settings, rows, outcomes, content)
        write_result(path, content)

    with progress_bar("memory") as progress:
        measure_memory(
            choose(engines),
            chosen,
            [by_length[int(length)] for length in order],
            calls=calls,
            threads=threads,
            save=save,
            progress=progress,
        )
    if content is not None:
        show(content)
    typer.echo(f"written to {path}", err=True)


def show(content: dict[str, Any]) -> None:
    """Print the table, and what was not measured."""
    from benchmarks.peers.tables import memory_table, not_measured

    print_table("resident memory of one process each", *memory_table(content))
    for line in not_measured(content):
        typer.echo(line)
