"""`router-export inspect`."""

from __future__ import annotations

import typer

from vibe_router_export.commands.inputs import load
from vibe_router_export.commands.options import CheckpointArgument, JsonOption
from vibe_router_tools.console.output import print_json


def inspect(source: CheckpointArgument, as_json: JsonOption = False) -> None:
    """Show what a checkpoint is, or why it cannot be exported."""
    loaded = load(source)
    from vibe_router_export.report import checkpoint_summary

    summary = checkpoint_summary(loaded)
    if as_json:
        print_json(summary)
    else:
        typer.echo("\n".join(f"{key:<18} {value}" for key, value in summary.items()))
