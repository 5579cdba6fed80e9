"""Route the parts of a run: those whose results are there are left alone, so that a run goes on where it stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from vibe_router.bundle.identity import model_identity
from vibe_router.errors import UsageError
from vibe_router.integrations.arrow import ROWS, ColumnOptions, find_column, output_schema, route_table
from vibe_router.policy import Target, profile_threshold
from vibe_router.progress import Progress, ProgressCallback
from vibe_router.router import Router
from vibe_router.version import __version__
from vibe_router_tools.columns.parts import Part, read_part
from vibe_router_tools.columns.sources import Place
from vibe_router_tools.columns.whole_file import identity_at, write_whole

_ROW_GROUP = 2 * ROWS


@dataclass(kw_only=True)
class Counts:
    """What a run did. `rows`, `errors` and `cloud` count the rows of the files that it wrote itself."""

    files: int = 0
    found: int = 0
    """Files whose results were there already."""
    rows: int = 0
    errors: int = 0
    cloud: int = 0


@dataclass(frozen=True, kw_only=True)
class Run:
    """One router, the options of the columns, and where results go. `force` replaces results of other terms."""

    router: Router
    options: ColumnOptions
    target: Place
    force: bool = False
    counts: Counts = field(default_factory=Counts)

    def terms(self, schema: pa.Schema) -> dict[str, Any]:
        """Return all that a row's decision depends on, except the row itself."""
        engine, options = self.router.engine, self.options
        name, chats = find_column(schema, options)
        manifest = self.router.bundle.manifest
        threshold = profile_threshold(manifest, options.profile) if options.threshold is None else options.threshold
        return {
            "vibe_router": __version__,
            "bundle": model_identity(manifest),
            "engine": engine.name,
            "file": engine.file,
            "threshold": threshold,
            "allow_cloud": options.allow_cloud,
            "fallback": None if options.fallback is None else options.fallback.value,
            "column": name,
            "conversations": chats,
        }


def route_parts(run: Run, parts: Sequence[Part], *, progress: ProgressCallback | None = None) -> Counts:
    """Write a file of results for each part that has none yet, and return what was done.

    Raises:
        UsageError: as `route_table`, or a file of results is there that another input or other terms gave.
        DataError: an input cannot be read.
        EngineError: as `route_table`.
        VibeRouterError: the disk is full or broken.
    """
    for part in parts:
        _require_columns(run, part)
    total, done = sum(part.rows for part in parts), 0

    def report(rows: int) -> None:
        nonlocal done
        done += rows
        if progress is not None:
            progress(Progress(done, total))

    for part in parts:
        place = run.target.child(part.name)
        terms = run.terms(part.source.schema)
        identity = part.identity(terms)
        before = identity_at(place)
        if before == identity:
            run.counts.found += 1
            report(part.rows)
            continue
        if before is not None and not run.force:
            raise UsageError(
                f"{place.path} holds results of another input, bundle or threshold",
                hint="name another folder, or replace them with --force",
            )
        tables = _routed(run, part, report)
        schema = output_schema(part.source.schema)
        write_whole(place, tables, schema, identity=identity, facts=terms, rows=part.rows)
        run.counts.files += 1
    return run.counts


def _require_columns(run: Run, part: Part) -> None:
    """Refuse a file that lacks the column, by its name, before others are routed, which can take hours."""
    try:
        find_column(part.source.schema, run.options)
        output_schema(part.source.schema)
    except UsageError as error:
        raise UsageError(f"{part.source.name}: {error.message}", hint=error.hint) from error


def _routed(run: Run, part: Part, report: Any) -> Iterator[pa.Table]:
    for table in read_part(part, rows=_ROW_GROUP):
        routed = route_table(run.router, table, run.options)
        run.counts.rows += routed.num_rows
        run.counts.errors += routed.num_rows - routed.column("error").null_count
        run.counts.cloud += pc.sum(pc.equal(routed.column("target"), Target.CLOUD.value)).as_py() or 0
        report(routed.num_rows)
        yield routed
