"""`vibe-router histograms`: counts of the scores in files of results, which merge without loss."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vibe_router.errors import UsageError
from vibe_router.extras import require_extra
from vibe_router_tools.commands.eval import MissBoundOption
from vibe_router_tools.commands.options import JsonOption
from vibe_router_tools.console.output import print_json, print_line, progress_bar
from vibe_router_tools.evaluation.defaults import MISS_BOUND


def histograms(
    results: Annotated[
        list[str], typer.Argument(metavar="RESULTS...", help="Files, folders, globs or URLs that were routed.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="New Parquet file for the counts.")],
    by: Annotated[
        list[str] | None, typer.Option(help="Count by this column, such as customer; may be repeated.")
    ] = None,
    text: Annotated[str, typer.Option(help="The column that was routed; its hash holds rows out.")] = "prompt",
    label: Annotated[str | None, typer.Option(help="A column of p_teacher, for catastrophic misses.")] = None,
    sketches: Annotated[Path | None, typer.Option(help="Also write KLL sketches to this new Parquet file.")] = None,
    miss_bound: MissBoundOption = MISS_BOUND,
    as_json: JsonOption = False,
) -> None:
    """Count the scores of routed rows, for vibe-router calibrate --from.

    Files of counts from any number of machines merge by addition, in any order, to the same counts; no prompt is in
    them.
    """
    require_extra("Parquet", extra="arrow", modules=("pyarrow",))
    if sketches is not None:
        require_extra("Sketches", extra="sketches", modules=("datasketches",))
    import pyarrow.compute as pc

    from vibe_router_tools.bundle_edit import check_free
    from vibe_router_tools.calibration.counting import count_files, write_table
    from vibe_router_tools.calibration.keyed import CountOptions
    from vibe_router_tools.columns.sources import find_sources

    check_free(output)
    if sketches is not None:
        check_free(sketches)
        if sketches.resolve() == output.resolve():
            raise UsageError(f"counts and sketches cannot both be {output}", hint="give --sketches another name")
    options = CountOptions(by=tuple(by or ()), text=text, label=label, miss_bound=miss_bound)
    sources = [source for location in results for source in find_sources(location)]
    with progress_bar("counting", total=sum(source.rows for source in sources)) as progress:
        table = count_files(sources, options, sketches=sketches, progress=progress)
    write_table(table, output)
    counted = pc.sum(table.column("count")).as_py() or 0
    rows = sum(source.rows for source in sources)
    if as_json:
        print_json({"rows": rows, "counted": counted, "bins": table.num_rows, "output": str(output)}, indent=None)
    else:
        print_line(f"counted {counted} of {rows} rows in {table.num_rows} bins: {output}")
