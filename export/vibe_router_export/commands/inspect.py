"""`router-export inspect`."""

from __future__ import annotations

from vibe_router_export.commands.inputs import load
from vibe_router_export.commands.options import CheckpointArgument, CloudLabelOption, JsonOption
from vibe_router_tools.console.output import print_json, print_line


def inspect(source: CheckpointArgument, cloud_label: CloudLabelOption = None, as_json: JsonOption = False) -> None:
    """Show what a checkpoint is, or why it cannot be exported."""
    loaded = load(source, cloud_label=cloud_label)
    from vibe_router_export.report import checkpoint_summary

    summary = checkpoint_summary(loaded)
    if as_json:
        print_json(summary)
    else:
        print_line("\n".join(f"{key:<18} {value}" for key, value in summary.items()))
