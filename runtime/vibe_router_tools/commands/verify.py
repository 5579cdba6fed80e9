"""`vibe-router verify`: replay the golden prompts here."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from vibe_router.router import Router
from vibe_router.verify import VerifyReport
from vibe_router.verify import verify as replay
from vibe_router_tools.commands.options import (
    BundleArgument,
    EngineOption,
    JsonOption,
    PrecisionOption,
    ThreadsOption,
)
from vibe_router_tools.console.output import print_json, print_line, print_table, progress_bar


def verify(
    bundle: BundleArgument = None,
    engine: EngineOption = "auto",
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = None,
    report_file: Annotated[
        Path | None,
        typer.Option(
            "--report", help="On a Mac, for Core ML: also measure placement, latency and energy, and write this JSON."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Replay the bundle's golden prompts on this machine's engine and compare with the reference."""
    if report_file is not None:
        from vibe_router_tools.commands.verify_mac import verify_mac

        verify_mac(bundle, engine=engine, precision=precision, report=report_file, as_json=as_json)
        return
    with (
        Router.load(bundle, engine=engine, precision=precision, threads=threads) as router,
        progress_bar("verifying") as progress,
    ):
        report = replay(router, progress=progress)
    if as_json:
        print_json(asdict(report) | {"passed": report.passed})
    else:
        _print_report(report)
    report.require()


def _print_report(report: VerifyReport) -> None:
    tolerance = "decisions only" if report.tolerance is None else f"{report.tolerance:.0e}"
    rows = [
        ("engine", f"{report.engine}, {report.precision} ({report.file})"),
        ("golden prompts", str(report.prompts)),
        ("other token ids", str(report.id_mismatches)),
        ("max |dlogit|", f"{report.max_abs_logit_difference:.3g} (tolerance {tolerance})"),
        ("max |dp|", f"{report.max_abs_probability_difference:.3g}"),
    ]
    print_table(f"Parity of {report.bundle}", ("what", "value"), rows)
    print_table(
        "Decisions",
        ("profile", "threshold", "flips", f"outside the band of {report.band:g}"),
        [
            (item.profile, f"{item.threshold:.6f}", str(item.flips), str(item.flips_outside_band))
            for item in report.profiles
        ],
    )
    print_line("passed" if report.passed else "FAILED")
