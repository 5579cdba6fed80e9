"""The command `vibe-router`: names its subcommands and turns errors into exit codes."""

from __future__ import annotations

from typing import Annotated

import typer

from vibe_router_tools.console.entry import run


def build_app() -> typer.Typer:
    """Return the command with all its subcommands."""
    from vibe_router_tools.commands.bench import bench
    from vibe_router_tools.commands.calibrate import calibrate
    from vibe_router_tools.commands.doctor import doctor
    from vibe_router_tools.commands.eval import evaluate_bundle
    from vibe_router_tools.commands.inspect import inspect
    from vibe_router_tools.commands.log import build_log_app
    from vibe_router_tools.commands.route import route
    from vibe_router_tools.commands.serve import serve
    from vibe_router_tools.commands.verify import verify

    app = typer.Typer(
        name="vibe-router",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        # Help drawn by rich imports a Markdown parser, which takes longer than everything else that --help does.
        rich_markup_mode=None,
    )
    app.callback()(_options)
    for command in (route, serve, verify, inspect, doctor, bench):
        app.command()(command)
    app.command("eval")(evaluate_bundle)
    app.command()(calibrate)
    app.add_typer(build_log_app(), name="log")
    return app


def main() -> None:
    """Run the command line; the exit codes are those of `vibe_router.errors`."""
    run(build_app)


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
