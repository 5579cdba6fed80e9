"""The command `router-train`: names its subcommands and turns errors into exit codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vibe_router_tools.console.start import start

if TYPE_CHECKING:
    import typer


def build_app() -> typer.Typer:
    """Return the command with all its subcommands."""
    from vibe_router_tools.console.app import new_app
    from vibe_router_training.commands.calibrate import calibrate
    from vibe_router_training.commands.fit import fit
    from vibe_router_training.commands.sweep import sweep
    from vibe_router_training.commands.tokenizer import tokenizer

    app = new_app("router-train", "Train, calibrate and describe routers.")
    for command in (tokenizer, fit, sweep, calibrate):
        app.command()(command)
    return app


def main() -> None:
    """Run the command line."""
    start(build_app)
