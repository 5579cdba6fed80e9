"""`python -m benchmarks prepare`."""

from __future__ import annotations

import typer

from benchmarks.peers.options import EnginesOption, PythonsOption, SourcesArgument, WorkOption


def prepare(
    sources: SourcesArgument, engines: EnginesOption = None, pythons: PythonsOption = None, work: WorkOption = None
) -> None:
    """Export the checkpoint for every contender, so that measurements need not wait for it."""
    from benchmarks.peers.contenders.registry import choose
    from benchmarks.peers.sources import NotMeasurableError, read_sources

    chosen = read_sources(sources, work=work, pythons=pythons or [])
    for contender in choose(engines):
        try:
            load = chosen.load(contender, threads=1)
        except NotMeasurableError as error:
            typer.echo(f"{contender.label}: {error}")
        else:
            typer.echo(f"{contender.label}: {load.bundle or load.artifact or load.checkpoint}")
