"""`python -m benchmarks busy`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from benchmarks.peers.options import (
    EnginesOption,
    NameOption,
    OutputOption,
    PromptsOption,
    PythonsOption,
    SourcesArgument,
    WorkOption,
)
from vibe_router_tools.console.output import print_table, progress_bar


def busy(
    sources: SourcesArgument,
    threads: Annotated[list[int] | None, typer.Option(min=1, help="Several times; default: 1 and 2.")] = None,
    lengths: Annotated[str, typer.Option(help="Numbers of tokens, with commas.")] = "4,16,48,128",
    kinds: Annotated[str, typer.Option(help="Kinds of neighbours, with commas.")] = "spinning,streaming,generating",
    counts: Annotated[str, typer.Option(help="Numbers of neighbours, with commas.")] = "0,1,2,4",
    engines: EnginesOption = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds.")] = 5,
    calls: Annotated[int, typer.Option(min=1, help="Timed calls a turn.")] = 20,
    seed: int = 0,
    prompts: PromptsOption = None,
    pythons: PythonsOption = None,
    work: WorkOption = None,
    name: NameOption = None,
    output: OutputOption = None,
) -> None:
    """Time our engines and the installed peers next to busy neighbours, and the speed that they leave to these."""
    from benchmarks.peers.busy import BusyPlan, BusyResult, Load, measure_busy
    from benchmarks.peers.contenders.registry import choose
    from benchmarks.peers.results import opening, path_for
    from benchmarks.peers.sources import read_sources
    from benchmarks.prompts import default_prompts, describe
    from benchmarks.results_file import write_result
    from vibe_router_tools.measurement.workload import sequences_of

    chosen = read_sources(sources, work=work, pythons=pythons or [])
    numbers = [int(part) for part in counts.split(",")]
    loads = [Load(kind=kind, count=count) for kind in kinds.split(",") for count in numbers if count]
    texts = default_prompts(_PROMPTS, prompts)
    plan = BusyPlan(
        sequences=sequences_of(chosen.tokenizer(), texts, tuple(int(part) for part in lengths.split(","))),
        loads=([Load(kind="none", count=0)] if 0 in numbers else []) + loads,
        threads=threads or [1, 2],
        rounds=rounds,
        calls=calls,
        seed=seed,
    )
    head = opening("busy", chosen, name=name)
    path = path_for(head, output)
    result = BusyResult(head, {"calls": calls, "rounds": rounds, "seed": seed, "prompts": describe(prompts)})
    with progress_bar("busy") as progress:
        measure_busy(
            choose(engines),
            chosen,
            plan,
            result=result,
            save=lambda: write_result(path, result.content()),
            progress=progress,
        )
    show(result.content())
    typer.echo(f"written to {path}", err=True)


def show(content: dict[str, Any]) -> None:
    """Print one row for each load, contender, number of threads and length."""
    columns = ("neighbours", "count", "key", "threads", "tokens", "median_ms", "p99_ms", "cpu_ms", "neighbours_speed")
    rows = [[str(row[column]) for column in columns] for row in content["summary"]]
    print_table("busy", list(columns), rows)


_PROMPTS = 200
