"""The command `router-export`: names its subcommands and turns errors into exit codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vibe_router_tools.console.start import start

if TYPE_CHECKING:
    import typer

_DESCRIPTION = "Export a fine-tuned ModernBERT router to bundles that apps embed, proven equal to PyTorch."


def build_app() -> typer.Typer:
    """Return the command with all its subcommands."""
    from vibe_router_export.commands.checkpoint import checkpoint
    from vibe_router_export.commands.coreml import coreml
    from vibe_router_export.commands.deploy import deploy
    from vibe_router_export.commands.inspect import inspect
    from vibe_router_export.commands.lint import lint
    from vibe_router_export.commands.native import native
    from vibe_router_export.commands.onnx import onnx
    from vibe_router_export.commands.verify import verify
    from vibe_router_tools.console.app import new_app

    app = new_app("router-export", _DESCRIPTION)
    for command in (onnx, native, coreml, lint, verify, inspect, deploy, checkpoint):
        app.command()(command)
    return app


def main() -> None:
    """Run the command line."""
    start(build_app)
