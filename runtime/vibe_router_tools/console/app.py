"""The look that all command lines of this project share."""

from __future__ import annotations

from typing import Any

import typer


def new_app(name: str, description: str) -> typer.Typer:
    """Return a command line without subcommands: help in plain text, `--version`, and errors left to `run`."""
    app = typer.Typer(
        name=name,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        # Help drawn by rich imports a Markdown parser, which takes longer than everything else that --help does.
        rich_markup_mode=None,
    )

    def print_version(wanted: bool) -> None:
        if wanted:
            from vibe_router.version import __version__

            typer.echo(f"{name} {__version__}")
            raise typer.Exit

    # Not in an annotation: typer evaluates those where the local callback is not known.
    option: Any = typer.Option(False, "--version", help="Print the version.", callback=print_version, is_eager=True)

    @app.callback(help=description)
    def options(version: bool = option) -> None:
        """Take the options before a subcommand."""

    return app
