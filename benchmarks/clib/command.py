"""`python -m benchmarks clib`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.results_file import path_of_this_machine, read_result, write_with_machine
from vibe_router_tools.console.output import print_json


def clib(
    bundle: Annotated[Path | None, typer.Option("--bundle", "-b", help="Default: the bundled one.")] = None,
    rounds: Annotated[int, typer.Option(min=2, help="Fresh processes of each way, in turns.")] = 60,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Default: this machine's result.")] = None,
) -> None:
    """Time fresh processes to a decision: `vibe-route`, Python, and Python with the C library; needs a C compiler."""
    from benchmarks.clib.measure import PROMPT, compile_all, measure
    from vibe_router.bundle.bundle import open_bundle

    opened = open_bundle(bundle)
    with tempfile.TemporaryDirectory() as folder:
        library, program = compile_all(Path(folder))

        def tell(done: int) -> None:
            typer.echo(f"\r{done} of {rounds} rounds", nl=done == rounds, err=True)

        found = measure(Path(opened.folder), library, program, rounds=rounds, progress=tell)
    path = output or path_of_this_machine("clib")
    before = read_result(path)
    name = opened.manifest.name
    row: dict[str, Any] = {"name": name, "prompt": PROMPT, "rounds": rounds, **found}
    kept = [one for one in (before["bundles"] if before else []) if one["name"] != name]
    write_with_machine(path, {"command": "python -m benchmarks clib", "bundles": [*kept, row]})
    print_json(row)
