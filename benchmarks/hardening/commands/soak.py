"""`python -m benchmarks soak`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.results_file import RESULTS
from vibe_router_tools.console.output import print_json, progress_bar


def soak(
    routes: Annotated[
        int, typer.Option(min=1, help="Routes in all; those of earlier runs in OUTPUT count.")
    ] = 1_000_000,
    seconds: Annotated[float, typer.Option(min=1, help="End this run then; the same command goes on.")] = 7200.0,
    threads: Annotated[int, typer.Option(min=1, help="Threads that route.")] = 4,
    reload_every: Annotated[int, typer.Option(min=1, help="Routes between two reloads of the bundle.")] = 5000,
    requests: Annotated[int, typer.Option(min=1, help="Different requests.")] = 2000,
    prompts: Annotated[Path | None, typer.Option(help="JSONL of prompts; default as for adversarial.")] = None,
    bundle: Annotated[Path | None, typer.Option(help="A bundle; default: the bundled one.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget earlier runs in OUTPUT.")] = False,
    output: Annotated[Path, typer.Option("-o", "--output")] = RESULTS / "soak.json",
) -> None:
    """Route for long from several threads, with reloads and faults; exit code 1 where an answer is lost or wrong."""
    import logging

    from benchmarks.hardening.soak.report import merge_runs, parse_runs
    from benchmarks.hardening.soak.requests import make_requests
    from benchmarks.hardening.soak.run import Plan
    from benchmarks.hardening.soak.run import soak as measure
    from benchmarks.prompts import real_prompts
    from benchmarks.results_file import write_with_machine
    from vibe_router.router import Router

    # Each injected fault is a warning.
    logging.getLogger("vibe_router").setLevel(logging.ERROR)
    runs = [] if fresh or not output.exists() else parse_runs(json.loads(output.read_text("utf-8")))
    with Router.load(bundle, threads=1) as router:
        source, texts = real_prompts(prompts, router.bundle)
        made = make_requests(router, texts, count=requests, seed=seed)
    plan = Plan(
        routes=max(1, routes - sum(run.routes for run in runs)),
        sample_every=max(1, routes // 200),
        threads=threads,
        reload_every=reload_every,
        seconds=seconds,
        seed=seed,
    )
    with progress_bar("routing") as progress:
        runs.append(measure(bundle, made, plan, progress=progress))
    result = merge_runs(runs)
    write_with_machine(output, {"prompts": source, "requests": requests, **result}, threads=threads)
    print_json({key: value for key, value in result.items() if key != "runs"})
    if result["lost"] or result["duplicated"] or result["wrong"]:
        raise typer.Exit(1)
