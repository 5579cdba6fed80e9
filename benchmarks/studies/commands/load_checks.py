"""`python -m benchmarks load-checks`."""

from __future__ import annotations

from typing import Annotated

import typer


def load_checks(
    bundle: Annotated[str | None, typer.Argument(help="A bundle; default: the bundled one.")] = None,
    engine: Annotated[list[str] | None, typer.Option(help="Default: native-cpu and onnx-cpu.")] = None,
    starts: Annotated[int, typer.Option(min=1, help="Cold starts of each engine.")] = 20,
) -> None:
    """Say what the checks of a bundle cost in a cold start: median milliseconds of CPU time."""
    from benchmarks.markdown import markdown
    from benchmarks.studies.load_checks import measure

    engines = engine or ["native-cpu", "onnx-cpu"]
    times = {name: measure(bundle, name, starts=starts) for name in engines}
    names = list(dict.fromkeys(what for one in times.values() for what in one))
    rows = [(what, *(f"{one[what]:.2f}" if what in one else "" for one in times.values())) for what in names]
    typer.echo(markdown((("CPU-milliseconds", *engines), rows)), nl=False)
