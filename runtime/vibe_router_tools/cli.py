"""The command `vibe-router`: names its subcommands and turns errors into exit codes."""

from __future__ import annotations

import sys
from functools import partial
from importlib import import_module
from typing import Annotated

import typer

from vibe_router_tools.console.entry import run

_COMMANDS = {
    "route": "route:route",
    "serve": "serve:serve",
    "verify": "verify:verify",
    "inspect": "inspect:inspect",
    "doctor": "doctor:doctor",
    "bench": "bench:bench",
    "eval": "eval:evaluate_bundle",
    "calibrate": "calibrate:calibrate",
    "log": "log:build_log_app",
}
"""The subcommands in the order of --help, each with its module in `commands` and what is in there.

What begins with `build_` returns a command of several subcommands.
"""


def build_app(only: str | None = None) -> typer.Typer:
    """Return the command with all its subcommands, or with `only` one, so that no other is imported."""
    app = typer.Typer(
        name="vibe-router",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        # Help drawn by rich imports a Markdown parser, which takes longer than everything else that --help does.
        rich_markup_mode=None,
    )
    app.callback()(_options)
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
    """Run the command line; the exit codes are those of `vibe_router.errors`."""
    asked = sys.argv[1] if len(sys.argv) > 1 else None
    run(partial(build_app, asked if asked in _COMMANDS else None))


def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=lambda on: _print_version(on), is_eager=True),
    ] = False,
) -> None:
    """Decide on this machine whether a chat request needs the cloud."""


def _print_version(wanted: bool) -> None:
    if wanted:
        from vibe_router import __version__

        typer.echo(f"vibe-router {__version__}")
        raise typer.Exit
