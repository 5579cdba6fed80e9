"""`python -m benchmarks quantization`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.results_file import RESULTS
from vibe_router_tools.console.output import print_table, progress_bar


def quantization(
    plain: Annotated[str, typer.Option(help="A checkpoint without massive activations.")],
    outliers: Annotated[str, typer.Option(help="The same with them; `router-export checkpoint --outliers` makes one.")],
    prompts: Annotated[
        Path | None, typer.Option(help="JSONL of prompts; default: 400 made-up ones of mixed length.")
    ] = None,
    count: Annotated[int, typer.Option(min=10, help="How many of the prompts, taken evenly.")] = 400,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    output: Annotated[Path, typer.Option("-o", "--output")] = RESULTS / "quantization.json",
) -> None:
    """Compare remedies for massive activations, and other tools' int8, with the fp32 graph."""
    from benchmarks.peers.quantization import COLUMNS, measure_checkpoint
    from benchmarks.results_file import write_with_machine
    from vibe_router_tools.evaluation.dataset import read_rows

    texts = None if prompts is None else [row.prompt for row in read_rows(prompts)]
    results = []
    for label, source in (("plain", plain), ("outliers", outliers)):
        with progress_bar(label) as progress:
            results.append(
                measure_checkpoint(source, label=label, prompts=texts, count=count, threads=threads, progress=progress)
            )
        print_table(f"{label}: {results[-1].prompts} prompts", COLUMNS, [row.cells() for row in results[-1].rows])
    write_with_machine(output, {"checkpoints": [result.fields() for result in results]}, threads=threads)
