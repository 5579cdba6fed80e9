"""`python -m nano`: make the bundled default from the shared data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from vibe_router_training.commands.options import SeedOption, ThreadsOption
from vibe_router_training.commands.output import fit_bars
from vibe_router_training.commands.setup import require_training, use_threads


def nano(
    data: Annotated[Path, typer.Option(help="Folder with the files that nano/material.py names.")],
    out: Annotated[Path, typer.Option(help="Checkpoint folder to write.")],
    compare: Annotated[Path | None, typer.Option(help="Bundle to judge on the same rows: the router before.")] = None,
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
) -> None:
    """Make the bundled default: teachers, lessons, student, calibration, figures and card."""
    require_training()
    use_threads(threads)
    from nano.compared import bundle_scorer
    from nano.recipe import make_nano
    from nano.settings import NanoEvents, NanoSettings

    settings = NanoSettings()
    settings = replace(settings, seed=seed, fit=replace(settings.fit, seed=seed))
    with fit_bars() as bar:
        events = NanoEvents(stage=lambda name: typer.echo(name, err=True), fit=bar)
        compared = [bundle_scorer(compare, name="the router before")] if compare else []
        report = make_nano(data, out, settings, compared=compared, events=events)
    typer.echo(f"{out}: {report.parameters:,} parameters, T = {report.temperature:.4f}, {report.seconds / 60:.0f} min")
    for scorer, row in report.rated["all"].items():
        typer.echo(
            f"  rated  {scorer:<18} rank {row.rank_correlation.value:.3f}  AUC {row.auc.value:.3f}  "
            f"decided as rated {row.agreement.value:.1%}"
        )


def main() -> None:
    """Run the command line."""
    from vibe_router_tools.console.start import start

    start(_build_app)


def _build_app() -> typer.Typer:
    app = typer.Typer(name="nano", rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)
    app.command()(nano)
    return app


if __name__ == "__main__":
    main()
