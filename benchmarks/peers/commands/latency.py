"""`python -m benchmarks latency`."""

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
from vibe_router_tools.console.output import print_table, progress_bar


def latency(
    sources: SourcesArgument,
    threads: Annotated[list[int] | None, typer.Option(min=1, help="Several times; default: 1 and 2.")] = None,
    lengths: Annotated[str | None, typer.Option(help="Numbers of tokens, with commas; default: the twelve.")] = None,
    engines: EnginesOption = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds to add for each number of threads.")] = 10,
    calls: Annotated[int, typer.Option(min=1, help="Timed calls a turn.")] = 3,
    seconds: Annotated[float, typer.Option(help="Begin no round that would end after so many seconds.")] = float("inf"),
    prompts: PromptsOption = None,
    prompts_a_round: Annotated[int, typer.Option(min=0, help="Real prompts a round, from text.")] = 4,
    baseline: Annotated[str, typer.Option(help="Whom ratios are against.")] = "optimum-fp32",
    seed: int = 0,
    pythons: PythonsOption = None,
    work: WorkOption = None,
    name: NameOption = None,
    output: OutputOption = None,
    fresh: FreshOption = False,
) -> None:
    """Time our engines and the installed peers on the same ids and prompts, taking turns."""
    from benchmarks.peers.contenders.registry import choose
    from benchmarks.peers.latency import Plan, measure_latency
    from benchmarks.peers.latency_result import LatencyResult
    from benchmarks.peers.results import opening, path_for, read_to_add
    from benchmarks.peers.sources import read_sources
    from benchmarks.prompts import default_prompts, describe
    from benchmarks.results_file import write_result
    from vibe_router_tools.measurement.workload import TOKEN_COUNTS, sequences_of

    chosen = read_sources(sources, work=work, pythons=pythons or [])
    contenders = choose(engines)
    counts = TOKEN_COUNTS if lengths is None else tuple(int(part) for part in lengths.split(","))
    texts = default_prompts(_PROMPTS, prompts)
    plan = Plan(
        sequences=sequences_of(chosen.tokenizer(), texts, counts),
        prompts=_spread(texts),
        prompts_a_round=prompts_a_round,
        rounds=rounds,
        calls=calls,
        warm_up=1,
        seed=seed,
    )
    settings = {"calls": calls, "warm_up": 1, "seed": seed, "baseline": baseline, "prompts": describe(prompts)}
    head = opening("latency", chosen, name=name)
    path = path_for(head, output)
    result = LatencyResult.resume(head, settings, read_to_add(path, head, fresh=fresh))
    for count in threads or (1, 2):
        with progress_bar(f"latency, threads {count}") as progress:
            measure_latency(
                contenders,
                chosen,
                plan,
                threads=count,
                result=result,
                save=lambda: write_result(path, result.content()),
                limit=seconds,
                progress=progress,
            )
    write_result(path, result.content())
    show(result.content())
    typer.echo(f"written to {path}", err=True)


def show(content: dict[str, Any]) -> None:
    """Print the medians, a table for each number of threads, and what was not measured."""
    from benchmarks.peers.tables import latency_table, not_measured

    for count in content["rounds"]:
        title = f"threads {count}: median ms by tokens, n = rounds x calls"
        print_table(title, *latency_table(content, threads=int(count)))
    for line in not_measured(content):
        typer.echo(line)


_PROMPTS = 200


def _spread(prompts: list[str]) -> list[str]:
    """Return prompts ordered by length so that any few neighbours have all lengths among them."""
    step = 61
    return [prompts[(place * step) % len(prompts)] for place in range(len(prompts))]
