"""`vibe-router bench`: the costs of a bundle on this machine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vibe_router.errors import DataError
from vibe_router_tools.commands.options import (
    BundleArgument,
    EngineOption,
    JsonOption,
    PrecisionOption,
    ThreadsOption,
)
from vibe_router_tools.console.output import print_json, print_line, print_table, progress_bar
from vibe_router_tools.rows import read_file

if TYPE_CHECKING:
    from vibe_router_tools.measurement.bench import BenchReport


def bench(
    bundle: BundleArgument = None,
    engine: EngineOption = "auto",
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = None,
    input_file: Annotated[
        Path | None,
        typer.Option("--input", "-i", help="JSONL with a field prompt, or JSON strings; default: the golden prompts."),
    ] = None,
    calls: Annotated[int, typer.Option(min=1, help="Timed calls for each number of tokens.")] = 50,
    cold: Annotated[int, typer.Option(min=0, help="Fresh processes to start for the cold start; 0: none.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Measure latency, cold start and memory of a bundle on this machine."""
    from vibe_router.engines.choice import EngineChoice
    from vibe_router_tools.measurement.bench import bench as measure

    choice = EngineChoice(source=bundle, engine=engine, precision=precision, threads=threads)
    prompts = None if input_file is None else _read(input_file)
    with progress_bar("measuring") as progress:
        report = measure(choice, calls=calls, cold_starts=cold, prompts=prompts, progress=progress)
    if as_json:
        print_json(asdict(report))
    else:
        _print_report(report)


def _read(path: Path) -> list[str]:
    prompts = [row.prompt for row in read_file(path)]
    if not prompts:
        raise DataError(f"{str(path)!r} holds no prompts", hint="one JSON object with a field prompt a line")
    return prompts


def _print_report(report: BenchReport) -> None:
    machine = report.machine
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    print_table(
        f"{report.bundle}: {report.engine}, {report.precision} ({report.file}), {report.threads} threads",
        ("what", "value"),
        [
            ("processor", f"{machine.cpu}, {machine.cpus} CPUs"),
            *(("accelerator", name) for name in machine.accelerators),
            ("instruction sets", ", ".join(machine.instruction_sets) or "none of those that matter here"),
            ("system", f"{machine.system}, Python {machine.python}"),
            ("versions", versions),
        ],
    )
    rows = [
        (f"{count} tokens", f"{timing.median_ms:.2f}", f"{timing.p95_ms:.2f}", str(timing.calls))
        for count, timing in report.latency.items()
    ]
    timing = report.prompts
    rows.append((report.prompt_source, f"{timing.median_ms:.2f}", f"{timing.p95_ms:.2f}", str(timing.calls)))
    print_table("Latency: ids to logit by tokens; text to decision for prompts", ("", "median ms", "p95 ms", "n"), rows)
    if report.cold is None:
        print_line(f"cold start: not measured ({report.cold_note})")
    else:
        cold = report.cold
        phases = [(name, f"{milliseconds:.1f}") for name, milliseconds in cold.phases_ms.items()]
        print_table(
            f"Process start to first decision ({report.cold_note})",
            ("phase", "median ms"),
            [*phases, ("total", f"{cold.total.median_ms:.1f}"), ("peak RSS", _megabytes(cold.peak_resident))],
        )
    print_line(f"peak RSS after all of this: {_megabytes(report.peak_resident)}")


def _megabytes(size: int | None) -> str:
    return "not told by this system" if size is None else f"{size / 1e6:.0f} MB"
