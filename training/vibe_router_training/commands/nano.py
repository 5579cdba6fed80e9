"""`router-train nano`: make the bundled default."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vibe_router_training.commands.options import JsonOption, SeedOption, ThreadsOption
from vibe_router_training.commands.output import fit_bars, print_result
from vibe_router_training.commands.setup import require_training, use_threads

if TYPE_CHECKING:
    from vibe_router_training.nano.report import TrainingReport


def nano(
    data: Annotated[Path, typer.Option(help="Folder with routing_labelled.jsonl and prompts.jsonl.")],
    out: Annotated[Path, typer.Option(help="Checkpoint folder to write.")],
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
    json: JsonOption = False,
) -> None:
    """Make the bundled default from its data: tokenizer, teacher, sweep, calibration, figures, refit and card."""
    require_training()
    use_threads(threads)
    from vibe_router_training.nano.recipe import make_nano
    from vibe_router_training.nano.settings import NanoEvents, NanoSettings

    settings = NanoSettings()
    settings = replace(settings, seed=seed, fit=replace(settings.fit, seed=seed))
    with fit_bars() as bar:
        events = NanoEvents(stage=lambda name: typer.echo(name, err=True), fit=bar)
        report = make_nano(data, out, settings, events=events)
    print_result({"checkpoint": str(out), **asdict(report)}, _describe(out, report), as_json=json)


def _describe(out: Path, report: TrainingReport) -> str:
    lines = [
        f"{out}: {report.parameters:,} parameters, T = {report.temperature:.4f}, {report.seconds / 60:.0f} minutes"
    ]
    for part, rows in (("validation", report.validation), ("test", report.test)):
        for row in rows:
            ece = "" if row.ece is None else f"  ECE {row.ece.value:.3f}"
            lines.append(f"  {part:<10} {row.scorer:<29} AUC {row.auc.value:.3f}  APGR {row.apgr.value:.3f}{ece}")
    lines += [f"  {decision.target:<6} {decision.p_cloud:.3f}  {decision.prompt}" for decision in report.demo]
    return "\n".join(lines)
