"""`router-train calibrate`: fit the temperature of a checkpoint."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from vibe_router_training.commands.options import DataArgument, JsonOption, TauOption
from vibe_router_training.commands.output import print_result
from vibe_router_training.commands.setup import require_training


def calibrate(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint folder; its router_config.json is written.")],
    data: DataArgument,
    all_rows: Annotated[
        bool, typer.Option("--all-rows", help="Use every row, where the checkpoint was fitted to other data.")
    ] = False,
    choose_profiles: Annotated[
        bool, typer.Option("--choose-profiles", help="Choose thresholds anew, for cloud rates 100, 85, 65, 55, 25 %.")
    ] = False,
    diagrams: Annotated[Path | None, typer.Option(help="Folder of the diagram; default: the checkpoint.")] = None,
    tau: TauOption = 0.2,
    json: JsonOption = False,
) -> None:
    """Fit the temperature on the validation split, with ECE before and after and a reliability diagram."""
    require_training()
    from vibe_router_training.calibration import calibrate_checkpoint
    from vibe_router_training.data import read_examples, train_and_validation

    rows = read_examples(data, tau=tau)
    used = rows if all_rows else train_and_validation(rows, str(data))[1]
    result = calibrate_checkpoint(checkpoint, used, diagrams=diagrams, choose_profiles=choose_profiles)
    fitted = result.fit
    bins = f"{fitted.bins} {fitted.binning.value} bins"
    lines = [
        f"{checkpoint}: T = {fitted.temperature:.4f} on {fitted.rows:,} rows",
        f"  ECE {fitted.ece_before:.4f} before, {fitted.ece_after:.4f} after ({bins})",
        f"  NLL {fitted.nll_before:.4f} before, {fitted.nll_after:.4f} after",
        *(f"  {name:<12} raw threshold {value:.4f}" for name, value in result.config.profiles.items()),
    ]
    payload = {"checkpoint": str(checkpoint), **asdict(fitted), "profiles": dict(result.config.profiles)}
    print_result(payload, "\n".join(lines), as_json=json)
