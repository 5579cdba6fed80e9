"""`vibe-router route -i LOGS -o FOLDER`: Parquet files of prompts into Parquet files of decisions."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from vibe_router.errors import UsageError
from vibe_router_tools.console.output import print_json, print_line, progress_bar

if TYPE_CHECKING:
    from vibe_router.integrations.arrow import ColumnOptions
    from vibe_router.router import Router

_SHARE = re.compile(r"([1-9]\d*)/([1-9]\d*)")


@dataclass(frozen=True, kw_only=True)
class ColumnsRun:
    """Where to read and to write, and what of it: `share` "2/3" is the second third of the files of results."""

    source: str
    target: str
    share: str
    rows: int
    force: bool


def parse_share(share: str) -> tuple[int, int]:
    """Return number and count of "number/count".

    Raises:
        UsageError: it has another form, or the number is above the count.
    """
    found = _SHARE.fullmatch(share)
    if not found or int(found[1]) > int(found[2]):
        raise UsageError(f"--share {share!r} is no share", hint="1/4, 2/4, 3/4 and 4/4 are those of four processes")
    return int(found[1]), int(found[2])


def route_columns(router: Router, options: ColumnOptions, asked: ColumnsRun, *, as_json: bool) -> None:
    """Route the files and print what was done.

    Raises:
        As `vibe_router_tools.columns.run.route_parts`.
    """
    from vibe_router_tools.columns.parts import plan_parts
    from vibe_router_tools.columns.run import Run, route_parts
    from vibe_router_tools.columns.sources import find_place, find_sources

    number, count = parse_share(asked.share)
    parts = plan_parts(find_sources(asked.source), rows=asked.rows)[number - 1 :: count]
    run = Run(router=router, options=options, target=find_place(asked.target), force=asked.force)
    with progress_bar("routing", total=sum(part.rows for part in parts)) as progress:
        counts = route_parts(run, parts, progress=progress)
    if as_json:
        print_json(asdict(counts), indent=None)
        return
    print_line(f"files written: {counts.files}, there already: {counts.found}")
    if counts.rows:
        share = counts.cloud / counts.rows
        print_line(f"{counts.rows} rows: {share:.4f} to the cloud, {counts.errors} without a score")
