"""`python -m benchmarks`: parse, call, write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.commands_cold import cold
from benchmarks.commands_latency import latency
from benchmarks.commands_limits import limits
from benchmarks.commands_memory import memory
from benchmarks.commands_prepare import prepare
from benchmarks.commands_report import report
from benchmarks.commands_throughput import throughput
from vibe_router.commands.entry import run
from vibe_router.commands.output import print_table, progress_bar

_RESULTS = Path(__file__).resolve().parent / "results"
PromptsOption = Annotated[
    Path | None, typer.Option(help="JSONL of prompts; default: 400 made-up ones of mixed length.")
]


def build_app() -> typer.Typer:
    """Return the command with all its subcommands."""
    app = typer.Typer(name="benchmarks", no_args_is_help=True, pretty_exceptions_enable=False)
    app.callback()(_describe)
    for command in (prepare, latency, cold, memory, throughput, limits, report, quantization):
        app.command()(command)
    return app


def _describe() -> None:
    """Measure on this machine what the documentation says."""


def quantization(
    plain: Annotated[str, typer.Option(help="A checkpoint without massive activations.")],
    outliers: Annotated[str, typer.Option(help="The same with them; `router-export checkpoint --outliers` makes one.")],
    prompts: PromptsOption = None,
    count: Annotated[int, typer.Option(min=10, help="How many of the prompts, taken evenly.")] = 400,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    output: Annotated[Path, typer.Option("-o", "--output")] = _RESULTS / "quantization.json",
) -> None:
    """Compare remedies for massive activations, and other tools' int8, with the fp32 graph."""
    from benchmarks.machine import machine
    from benchmarks.quantization import COLUMNS, measure_checkpoint
    from vibe_router.evaluation.dataset import read_rows

    texts = None if prompts is None else [row.prompt for row in read_rows(prompts)]
    results = []
    for label, source in (("plain", plain), ("outliers", outliers)):
        with progress_bar(label) as progress:
            results.append(
                measure_checkpoint(source, label=label, prompts=texts, count=count, threads=threads, progress=progress)
            )
        print_table(f"{label}: {results[-1].prompts} prompts", COLUMNS, [row.cells() for row in results[-1].rows])
    content = {"machine": machine(threads=threads), "checkpoints": [result.fields() for result in results]}
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    typer.echo(f"written to {output}", err=True)


if __name__ == "__main__":
    run(build_app)
