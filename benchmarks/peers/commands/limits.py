"""`python -m benchmarks limits`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.peers.options import NameOption, OutputOption
from vibe_router_tools.console.output import print_table


def limits(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="Whose work is counted.")],
    latency: Annotated[Path | None, typer.Option(help="Latency result to compare; default: the committed one.")] = None,
    threads: Annotated[list[int] | None, typer.Option(min=1, help="Several times; default: 1 and 2.")] = None,
    name: NameOption = None,
    output: OutputOption = None,
) -> None:
    """Measure this machine's bandwidth and peaks, and how far each contender is from its floor."""
    from benchmarks.peers.contenders.registry import ALL
    from benchmarks.peers.limits import floors, measure_rates
    from benchmarks.peers.results import opening, path_for
    from benchmarks.peers.sources import read_sources
    from benchmarks.results_file import read_result, write_result
    from vibe_router_export.checkpoint.config import parse_config

    head = opening("limits", read_sources([str(checkpoint)], work=None, pythons=[]), name=name)
    path = path_for(head, output)
    measured = read_result(latency or path_for(head | {"command": "latency"}, None))
    config = parse_config((checkpoint / "config.json").read_text("utf-8"))
    rates = {count: measure_rates(count) for count in threads or (1, 2)}
    content = head | {
        "settings": {"method": _METHOD},
        "rates": rates,
        "summary": floors(ALL, config, measured, rates) if measured else [],
        "contenders": measured["contenders"] if measured else [],
    }
    write_result(path, content)
    show(content)
    typer.echo(f"written to {path}", err=True)


def show(content: dict[str, Any]) -> None:
    """Print the rates, and the distance from the floors."""
    from benchmarks.peers.tables import floor_table, rate_table

    print_table("the best of seven calls, GB/s or GFLOP/s (GOP/s)", *rate_table(content))
    for threads in content["rates"]:
        table = floor_table(content, threads=int(threads))
        if table[1]:
            print_table(f"threads {threads}: median time as a multiple of the floor, by tokens", *table)


_METHOD = (
    "bandwidth: numpy max and sum of 256 MiB on the threads, and ONNX Runtime's product of a vector with 256 MiB of "
    "weights; fp32, bf16 and int8: products of 1536 x 1536 matrices by numpy, ONNX Runtime and PyTorch; best of seven "
    "calls, best of the libraries. Floor: weight bytes / bandwidth or operations / peak, whichever is longer"
)
