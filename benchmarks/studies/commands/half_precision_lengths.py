"""`python -m benchmarks half-precision-lengths`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.results_file import RESULTS

_NAME = "half-precision-lengths"


def half_precision_lengths(
    checkpoints: Annotated[list[str], typer.Argument(help="Checkpoints' folders.")],
    threads: Annotated[int, typer.Option(min=1, help="Threads of numpy (OMP_NUM_THREADS), for the record.")] = 1,
    output: Annotated[Path, typer.Option("-o", "--output")] = RESULTS / f"{_NAME}.json",
) -> None:
    """Measure how far fp16 moves a Core ML package's scores, by length; print the table and write JSON."""
    from dataclasses import asdict

    from benchmarks.report.coreml import COREML
    from benchmarks.results_file import write_with_machine
    from benchmarks.studies.half_precision_lengths import measure
    from vibe_router_export.checkpoint.checkpoint import read_checkpoint

    results = []
    for source in checkpoints:
        # Written after each row, because the last takes minutes at base size.
        for result in measure(read_checkpoint(source)):
            results.append(asdict(result))
            write_with_machine(output, {"lengths": results}, threads=threads)
    typer.echo(COREML[_NAME]({"lengths": results}), nl=False)
