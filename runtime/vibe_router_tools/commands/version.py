"""`vibe-router --version`, and what else stands before a subcommand."""

from __future__ import annotations

from typing import Annotated

import typer


def options(
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
