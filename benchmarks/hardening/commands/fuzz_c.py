"""`python -m benchmarks fuzz-c`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.results_file import RESULTS
from vibe_router_tools.console.output import print_table


class _Target(str, Enum):
    TEXT = "text"
    FILE = "file"
    CALLS = "calls"


def fuzz_c(
    target: Annotated[list[_Target] | None, typer.Option(help="May be repeated. Default: all.")] = None,
    seconds: Annotated[int, typer.Option(min=1, help="For each target.")] = 60,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Default: fuzz-c.json in results.")] = None,
) -> None:
    """Fuzz the C library with libFuzzer under sanitizers; exit code 1 where an input crashes, hangs or leaks.

    Needs clang and its sanitizers (Debian: clang libclang-rt-14-dev).
    """
    import tempfile
    from dataclasses import asdict

    from benchmarks.hardening.fuzz_c import fuzz_c as measure
    from benchmarks.results_file import merge_entries

    with tempfile.TemporaryDirectory() as work:
        runs = measure(Path(work), targets=[one.value for one in target or _Target], seconds=seconds)
    rows = [(name, f"{run.inputs:,}", str(run.seconds), str(run.status)) for name, run in runs.items()]
    print_table("inputs of libFuzzer", ("target", "inputs", "seconds", "status"), rows)
    counts = {name: asdict(run) for name, run in runs.items()}
    merge_entries(output or RESULTS / "fuzz-c.json", "targets", counts)
    if any(run.status for run in runs.values()):
        raise typer.Exit(1)
