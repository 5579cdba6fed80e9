"""`python -m benchmarks`: names its subcommands and turns errors into exit codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vibe_router_tools.console.start import start

if TYPE_CHECKING:
    import typer


def build_app() -> typer.Typer:
    """Return the command with all its subcommands: peers, hardening, studies, and the report of them all."""
    from benchmarks.clib.command import clib
    from benchmarks.conformance.command import conformance
    from benchmarks.consumers.checkpoint import bundle_checkpoint
    from benchmarks.consumers.command import consumers
    from benchmarks.gateway.command import gateway, gateway_decisions, gateway_endurance, gateway_faults
    from benchmarks.hardening.commands.adversarial import adversarial
    from benchmarks.hardening.commands.dialogues import dialogues
    from benchmarks.hardening.commands.fuzz import fuzz
    from benchmarks.hardening.commands.fuzz_c import fuzz_c
    from benchmarks.hardening.commands.kill_exports import kill_exports
    from benchmarks.hardening.commands.soak import soak
    from benchmarks.peers.commands.busy import busy
    from benchmarks.peers.commands.cold import cold
    from benchmarks.peers.commands.latency import latency
    from benchmarks.peers.commands.limits import limits
    from benchmarks.peers.commands.memory import memory
    from benchmarks.peers.commands.prepare import prepare
    from benchmarks.peers.commands.quantization import quantization
    from benchmarks.peers.commands.throughput import throughput
    from benchmarks.report.command import report
    from benchmarks.scale.command import scale
    from benchmarks.studies.commands.batch_budget import batch_budget
    from benchmarks.studies.commands.conversations import conversations
    from benchmarks.studies.commands.half_precision_folds import half_precision_folds
    from benchmarks.studies.commands.half_precision_lengths import half_precision_lengths
    from benchmarks.studies.commands.instructions import instructions
    from benchmarks.studies.commands.load_checks import load_checks
    from benchmarks.studies.commands.session_settings import session_settings
    from benchmarks.studies.commands.steps import steps
    from benchmarks.web.command import web
    from vibe_router_tools.console.app import new_app

    peers = (prepare, latency, busy, cold, memory, throughput, limits, quantization)
    hardening = (adversarial, dialogues, fuzz, fuzz_c, kill_exports, soak)
    half_precision = (half_precision_folds, half_precision_lengths)
    studies = (batch_budget, conversations, instructions, load_checks, session_settings, steps, *half_precision)
    app = new_app("benchmarks", "Measure on this machine what the documentation says.")
    # A command is called what its function is, with hyphens.
    served, bindings = (gateway, gateway_decisions, gateway_faults, gateway_endurance), (clib, web, conformance)
    for command in (*peers, *hardening, *studies, *served, *bindings, bundle_checkpoint, consumers, scale, report):
        app.command()(command)
    return app


if __name__ == "__main__":
    start(build_app)
