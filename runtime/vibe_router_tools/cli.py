"""The command `vibe-router`: names its subcommands and turns errors into exit codes."""

from __future__ import annotations

import sys
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from vibe_router_tools.console.start import start

if TYPE_CHECKING:
    import typer

_COMMANDS = {
    "route": "route:route",
    "serve": "serve:serve",
    "verify": "verify:verify",
    "inspect": "inspect:inspect",
    "doctor": "doctor:doctor",
    "bench": "bench:bench",
    "eval": "eval:evaluate_bundle",
    "calibrate": "calibrate:calibrate",
    "histograms": "histograms:histograms",
    "log": "log:build_log_app",
}
"""The subcommands in the order of --help, each with its module in `commands` and what is in there.

What begins with `build_` returns a command of several subcommands.
"""


def build_app(only: str | None = None) -> typer.Typer:
    """Return the command with all its subcommands, or with `only` one, so that no other is imported."""
    from vibe_router_tools.console.app import new_app

    app = new_app("vibe-router", "Decide on this machine whether a chat request needs the cloud.")
    for name, place in _COMMANDS.items():
        if only in (None, name):
            module, function = place.split(":")
            found = getattr(import_module(f"vibe_router_tools.commands.{module}"), function)
            if function.startswith("build_"):
                app.add_typer(found(), name=name)
            else:
                app.command(name)(found)
    return app


def main() -> None:
    """Run the command line."""
    asked = sys.argv[1] if len(sys.argv) > 1 else None
    start(partial(build_app, asked if asked in _COMMANDS else None))
