"""`python -m benchmarks gateway`, `gateway-decisions`, `gateway-faults` and `gateway-endurance`."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.results_file import RESULTS, merge_entries, write_with_machine
from vibe_router_tools.console.output import print_json


def gateway(
    rounds: Annotated[int, typer.Option(min=1, help="Requests to each server, in turns.")] = 400,
    seconds: Annotated[float, typer.Option(min=0.1, help="For each server's throughput, three times.")] = 3.0,
    litellm: Annotated[bool, typer.Option(help="Beside LiteLLM's proxy, from the peers extra.")] = True,
    output: Annotated[Path, typer.Option("-o", "--output")] = RESULTS / "gateway.json",
) -> None:
    """Measure what the gateway adds to a request, next to LiteLLM's proxy and to two bare proxies."""
    from benchmarks.gateway.cancelling import cancellation_ms
    from benchmarks.gateway.measuring import measure

    with tempfile.TemporaryDirectory() as name, ExitStack() as servers:
        folder = Path(name)
        result = measure(servers, folder, rounds=rounds, seconds=seconds, litellm=litellm)
        result["cancelled_within_ms"] = asyncio.run(cancellation_ms(folder, rounds=20))
    write_with_machine(output, {"command": "python -m benchmarks gateway", **result})
    print_json(result)


def gateway_decisions(
    bundle: Annotated[str | None, typer.Argument(help="Folder of a bundle; default: the bundled one.")] = None,
    requests: Annotated[int, typer.Option(min=2, help="Decisions for each range of lengths.")] = 200,
    prompts: Annotated[Path | None, typer.Option(help="JSONL of prompts; default: real ones at hand.")] = None,
    output: Annotated[Path, typer.Option("-o", "--output")] = RESULTS / "gateway-decisions.json",
) -> None:
    """Measure how soon POST /v1/decision and /v1/systemone answer, which other gateways use as a classifier."""
    from benchmarks.gateway.deciding import measure_decisions

    with tempfile.TemporaryDirectory() as name:
        facts = measure_decisions(Path(name), bundle, requests=requests, prompts=prompts)
    merge_entries(output, "bundles", {facts["bundle"]: facts})
    print_json(facts)


def gateway_faults(
    requests: Annotated[int, typer.Option(min=1)] = 10_000,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    output: Annotated[Path, typer.Option("-o", "--output")] = RESULTS / "gateway-faults.json",
) -> None:
    """Send requests while both sides fail and clients leave at random; exit code 1 where a promise is broken."""
    from benchmarks.gateway.campaign import run_campaign

    with tempfile.TemporaryDirectory() as name:
        report = run_campaign(Path(name), requests=requests, seed=seed)
    facts: dict[str, Any] = {"command": "python -m benchmarks gateway-faults", "seed": seed, **asdict(report)}
    write_with_machine(output, facts)
    print_json(facts)
    if report.broken_promises:
        raise typer.Exit(1)


def gateway_endurance(
    requests: Annotated[int, typer.Option(min=20)] = 100_000,
    streams: Annotated[int, typer.Option(min=1)] = 200,
    output: Annotated[Path, typer.Option("-o", "--output")] = RESULTS / "gateway-endurance.json",
) -> None:
    """Measure the gateway's memory over many requests, and hold many streams open at once."""
    from benchmarks.gateway.endurance import measure_memory, measure_streams

    with tempfile.TemporaryDirectory() as name:
        memory = measure_memory(Path(name), requests=requests)
        held = measure_streams(Path(name), streams=streams)
    facts = {"command": "python -m benchmarks gateway-endurance", "memory": memory, "streams": held}
    write_with_machine(output, facts)
    print_json(facts)
