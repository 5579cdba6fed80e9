"""`python -m benchmarks kill-exports`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.results_file import RESULTS
from vibe_router_tools.console.output import print_table, progress_bar


def kill_exports(
    moments: Annotated[int, typer.Option(min=1, help="How many exports to kill.")] = 50,
    coreml: Annotated[bool, typer.Option("--coreml", help="Kill `router-export coreml` instead of `onnx`.")] = False,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Default: kill-exports.json or kill-coreml-exports.json in results."),
    ] = None,
) -> None:
    """Kill nano-size exports at random moments; exit code 1 where one leaves anything but a whole bundle."""
    import tempfile

    from benchmarks.hardening.kill_exports import Command, report_fields
    from benchmarks.hardening.kill_exports import kill_exports as measure
    from benchmarks.results_file import write_with_machine

    with tempfile.TemporaryDirectory() as work, progress_bar("killing exports") as progress:
        command = Command.COREML if coreml else Command.ONNX
        report = measure(Path(work), command=command, moments=moments, seed=seed, progress=progress)
    print_table(f"{moments} exports killed", ("found", "exports"), [(k, str(v)) for k, v in report.found.items()])
    typer.echo(f"left next to the target {report.left}, after the next writer {report.left_after_cleaning}")
    name = "kill-coreml-exports.json" if coreml else "kill-exports.json"
    write_with_machine(output or RESULTS / name, report_fields(report))
    if report.wrong or report.left_after_cleaning or not report.last_export_whole:
        raise typer.Exit(1)
