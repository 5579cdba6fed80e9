"""`python -m benchmarks`: names its subcommands and turns errors into exit codes."""

from __future__ import annotations

import typer

from benchmarks.commands.adversarial import adversarial
from benchmarks.commands.cold import cold
from benchmarks.commands.fuzz import fuzz
from benchmarks.commands.kill_exports import kill_exports
from benchmarks.commands.latency import latency
from benchmarks.commands.limits import limits
from benchmarks.commands.memory import memory
from benchmarks.commands.prepare import prepare
from benchmarks.commands.quantization import quantization
from benchmarks.commands.report import report
from benchmarks.commands.soak import soak
from benchmarks.commands.throughput import throughput
from vibe_router_tools.console.entry import run


def build_app() -> typer.Typer:
    """Return the command with all its subcommands."""
    app = typer.Typer(name="benchmarks", no_args_is_help=True, pretty_exceptions_enable=False)
    app.callback()(_describe)
    for command in (prepare, latency, cold, memory, throughput, limits, quantization, adversarial, fuzz, soak, report):
        app.command()(command)
    app.command("kill-exports")(kill_exports)
    return app


def _describe() -> None:
    """Measure on this machine what the documentation says."""


if __name__ == "__main__":
    run(build_app)
