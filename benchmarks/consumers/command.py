"""`python -m benchmarks consumers`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.results_file import RESULTS

_ROOT = Path(__file__).resolve().parents[2]
_REAL_PROMPTS = 200


def consumers(
    bundles: Annotated[
        list[Path] | None, typer.Argument(help="Folders of bundles; default: the bundled router.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Result to add to.")] = RESULTS / "consumers.json",
    only: Annotated[list[str] | None, typer.Option(help="Key of a consumer, or coverage; may be repeated.")] = None,
    precision: Annotated[list[str] | None, typer.Option(help="fp32 or int8; may be repeated.")] = None,
    prompts: Annotated[Path | None, typer.Option(help="Real prompts, JSONL; default: the shared ones.")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="At most so many golden and so many real prompts.")] = None,
    seconds: Annotated[float, typer.Option(min=1, help="Time that a consumer may take for a bundle.")] = 1200.0,
    work: Annotated[Path, typer.Option(help="Where packages are installed, and kept.")] = _ROOT / "build" / "consumers",
) -> None:
    """Load bundles with other people's software, and compare ids, scores and decisions with the runtime's."""
    from benchmarks.consumers.coverage import COVERAGE, coverage
    from benchmarks.consumers.definition import CONSUMERS
    from benchmarks.consumers.material import material
    from benchmarks.consumers.measure import GRAPHS, measure
    from benchmarks.consumers.results import add_rows
    from benchmarks.prompts import SHARED, read_prompts
    from vibe_router.bundle.bundle import bundled_folder
    from vibe_router.errors import UsageError
    from vibe_router_tools.measurement.workload import of_every_length

    keys = [*(one.key for one in CONSUMERS), COVERAGE]
    unknown = set(only or ()) - set(keys)
    if unknown:
        raise UsageError(f"no consumer {', '.join(sorted(unknown))}", hint=", ".join(keys))
    source = prompts or (SHARED if SHARED.exists() else None)
    real = [] if source is None else of_every_length(read_prompts(source), _REAL_PROMPTS)
    typer.echo(f"{len(real)} real prompts" if real else "no real prompts: there is no shared data here", err=True)
    chosen = [one for one in CONSUMERS if only is None or one.key in only]
    for bundle in bundles or [bundled_folder()]:
        given = material(bundle, real, count=count)
        for name in precision or ["fp32", "int8"]:
            graph = bundle / GRAPHS[name, "portable"]
            if not graph.is_file():
                continue
            for consumer in chosen:
                row = measure(consumer, given, precision=name, work=work.resolve(), seconds=seconds)
                add_rows(output, "rows", [row])
                typer.echo(f"{given.name} {name}, {consumer.key}: {_said(row)}", err=True)
            if only is None or COVERAGE in only:
                add_rows(output, "coverage", coverage(graph, bundle=given.name, precision=name))


def _said(row: dict[str, object]) -> str:
    if row["status"] != "measured":
        return f"{row['status']}: {row['reason']}"
    return (
        f"{row['prompts']} prompts, {row['other_ids']} with other ids, "
        f"max |dp| {row['max_abs_probability_difference']:.1e}, {row['flips']} flips"
    )
