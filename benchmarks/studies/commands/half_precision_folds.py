"""`python -m benchmarks half-precision-folds`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.results_file import RESULTS

_NAME = "half-precision-folds"


def half_precision_folds(
    checkpoint: Annotated[str, typer.Argument(help="A checkpoint's folder.")],
    tokens: Annotated[int, typer.Option(min=3, help="Length of the packages.")] = 64,
    threads: Annotated[int, typer.Option(min=1, help="Threads of numpy (OMP_NUM_THREADS), for the record.")] = 1,
    output: Annotated[Path, typer.Option("-o", "--output")] = RESULTS / f"{_NAME}.json",
) -> None:
    """Measure what each rewrite for fp16 buys a Core ML package; print the table and write JSON."""
    from dataclasses import asdict

    from benchmarks.report.coreml import COREML
    from benchmarks.results_file import write_with_machine
    from benchmarks.studies.half_precision_folds import SEQUENCES, measure

    results = []
    # Written after each row, because the last takes minutes at base size.
    for result in measure(checkpoint, tokens=tokens):
        results.append(asdict(result))
        content = {"tokens": tokens, "sequences": SEQUENCES, "folds": results}
        write_with_machine(output, content, threads=threads)
    typer.echo(COREML[_NAME]({"folds": results}), nl=False)
