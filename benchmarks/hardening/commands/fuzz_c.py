"""`python -m benchmarks fuzz-c`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.results_file import RESULTS
from vibe_router_tools.console.output import print_table


class _Target(str, Enum):
    FILE = "file"
    ENGINE = "engine"
    MODEL = "model"
    TEXT = "text"
    CALLS = "calls"


def fuzz_c(
    target: Annotated[list[_Target] | None, typer.Option(help="May be repeated. Default: all.")] = None,
    seconds: Annotated[int, typer.Option(min=1, help="At most, for each target.")] = 60,
    inputs: Annotated[int, typer.Option(help="At most, for each target. Default: as many as the time allows.")] = -1,
    build: Annotated[Path | None, typer.Option(help="Keeps what is compiled for the next time.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Default: fuzz-c.json in results.")] = None,
) -> None:
    """Fuzz the engine and the C library under sanitizers; exit code 1 where an input crashes, hangs or leaks.

    Needs clang and its sanitizers (Debian: clang-19 libclang-rt-19-dev).
    """
    import shutil
    import tempfile
    from dataclasses import asdict

    from benchmarks.hardening.fuzz_c import fuzz_c as measure
    from benchmarks.results_file import merge_entries
    from native.fuzz.run import Limits

    work = Path(tempfile.mkdtemp(prefix="vibe-router-fuzz-"))
    chosen = [one.value for one in target or _Target]
    limits = Limits(seconds=seconds, inputs=inputs)
    failed, rows = False, []
    for name, run in measure(work, targets=chosen, limits=limits, build=build or work / "build"):
        # One by one: a run of hours is not lost with the next.
        merge_entries(output or RESULTS / "fuzz-c.json", "targets", {name: asdict(run)})
        rows.append((name, f"{run.inputs:,}", f"{run.seconds:,}", f"{run.processor_seconds:,}", str(run.status)))
        failed |= run.status != 0
    print_table("inputs under sanitizers", ("target", "inputs", "seconds", "of a processor", "status"), rows)
    if failed:
        raise typer.Exit(1)
    shutil.rmtree(work)
