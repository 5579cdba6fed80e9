"""`python -m benchmarks report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = (
    _ROOT / "README.md",
    *(
        _ROOT / "docs" / name
        for name in (
            "benchmarks.md",
            "hardening.md",
            "adversarial.md",
            "coreml.md",
            "consumers.md",
            "scale.md",
            "gateway.md",
            "speed.md",
            "conformance.md",
            "clib.md",
            "web.md",
        )
    ),
)


def report(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit code 1 where a figure is stale.")] = False,
    plots: Annotated[bool, typer.Option(help="Draw the plots again; needs matplotlib.")] = True,
) -> None:
    """Write the committed results' figures into the documentation, between its markers."""
    from benchmarks.report.clib import CLIB
    from benchmarks.report.conformance import CONFORMANCE
    from benchmarks.report.consumers import SECTIONS as CONSUMERS
    from benchmarks.report.coreml import COREML
    from benchmarks.report.files import file_sections
    from benchmarks.report.gateway import GATEWAY
    from benchmarks.report.hardening import HARDENING
    from benchmarks.report.pages import machine_pages
    from benchmarks.report.plot import plot_latency
    from benchmarks.report.scale import SCALE
    from benchmarks.report.sections import fill, plot_name, read_results, sections
    from benchmarks.report.speed import SPEED
    from benchmarks.report.web import WEB
    from benchmarks.results_file import RESULTS

    results = read_results(RESULTS)
    by_file = {**HARDENING, **COREML, **CLIB, **CONFORMANCE, **CONSUMERS, **SCALE, **GATEWAY, **SPEED, **WEB}
    generated = sections(results) | file_sections(RESULTS, by_file)
    pages = {_ROOT / "docs" / "benchmarks" / name: text for name, text in machine_pages(results).items()}
    stale = [page.name for page in pages if not page.exists() or page.read_text("utf-8") != pages[page]]
    if not check:
        for page, text in pages.items():
            page.parent.mkdir(exist_ok=True)
            page.write_text(text, encoding="utf-8")
    for document in DOCUMENTS:
        text = document.read_text("utf-8")
        filled = fill(text, generated)
        if filled != text:
            stale.append(document.name)
            if not check:
                document.write_text(filled, encoding="utf-8")
    if check and stale:
        typer.echo(f"stale: {', '.join(stale)}; run make docs", err=True)
        raise typer.Exit(1)
    if plots and not check:
        for result in results.get("latency", []):
            for threads in result["rounds"]:
                target = _ROOT / "docs" / "plots" / plot_name(result, int(threads))
                plot_latency(result, target, threads=int(threads))
    typer.echo(f"{', '.join(stale) or 'nothing'} changed", err=True)
