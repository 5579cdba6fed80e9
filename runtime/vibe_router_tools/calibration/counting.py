"""Count files of results into one table of counts, and read such tables again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from vibe_router.errors import DataError, UsageError
from vibe_router.extras import require_extra
from vibe_router.progress import Progress, ProgressCallback
from vibe_router_tools.atomic.write import staged_file
from vibe_router_tools.calibration.keyed import CountOptions, count_rows, merge_counts, sample_of
from vibe_router_tools.calibration.sample import ScoreSample
from vibe_router_tools.calibration.table_check import checked_counts
from vibe_router_tools.columns.parts import STEP, joined
from vibe_router_tools.columns.sources import Source, find_sources, opened

_ROWS = 65_536
_TABLES = 64
"""Tables of counts that are held before they are merged."""


def count_files(
    sources: Sequence[Source], options: CountOptions, *, sketches: Path | None, progress: ProgressCallback | None = None
) -> pa.Table:
    """Return the counts of files of results; `sketches` is written from the same rows.

    Raises:
        As `count_rows`, `merge_counts` and `write_table`.
    """
    done, total = 0, sum(source.rows for source in sources)
    tables: list[pa.Table] = []
    collected = None
    if sketches is not None:
        from vibe_router_tools.calibration.sketches import Sketches

        collected = Sketches(options)
    for rows in _rows(sources, options):
        tables.append(count_rows(rows, options))
        if collected is not None:
            collected.add(rows)
        if len(tables) == _TABLES:
            tables = [merge_counts(tables)]
        done += rows.num_rows
        if progress is not None:
            progress(Progress(done, total))
    counts = merge_counts(tables)
    if collected is not None and sketches is not None:
        write_table(collected.table(), sketches)
    return counts


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table of counts or sketches to `path`, which must not exist; it appears there whole or not at all.

    Raises:
        UsageError: the path exists or cannot be written.
        VibeRouterError: the disk is full or broken.
    """
    with staged_file(path, overwrite=False) as partial:
        pq.write_table(table, partial, compression="zstd")


def read_sample(locations: Sequence[str], where: Mapping[str, str]) -> ScoreSample:
    """Return the sample of all tables of counts, or of all tables of sketches, that `locations` name.

    Raises:
        UsageError: nothing is there, some are counts and some sketches, or `where` names what they do not hold.
        DataError: they hold neither, or cannot be merged.
    """
    tables = [_read(source) for location in locations for source in find_sources(location)]
    if not any(table.num_rows for table in tables):
        raise DataError("nothing was counted", hint="count results of rows that have scores")
    sketched = ["sketch" in table.schema.names for table in tables]
    if any(sketched) and not all(sketched):
        raise UsageError("histograms and sketches cannot be merged", hint="name one of them; histograms are exact")
    if all(sketched):
        from vibe_router_tools.calibration.sketches import sample_of_sketches

        return sample_of_sketches(tables, where)
    return sample_of(merge_counts(tables), where)


def _read(source: Source) -> pa.Table:
    with opened(source.place, source.name) as file:
        table = pq.ParquetFile(file).read()
    if "sketch" not in table.schema.names:
        return checked_counts(table, name=source.name)
    require_extra("Sketches", extra="sketches", modules=("datasketches",))
    from vibe_router_tools.calibration.sketches import checked_sketches

    return checked_sketches(table, name=source.name)


def _rows(sources: Sequence[Source], options: CountOptions) -> Iterator[pa.Table]:
    wanted = {"logit", "bundle", options.text, *options.by, *([options.label] if options.label else [])}
    for source in sources:
        columns = [name for name in source.schema.names if name in wanted]
        if not source.rows:
            # A day without prompts counts as nothing, and its columns are checked like those of others.
            yield source.schema.empty_table().select(columns)
            continue
        with opened(source.place, source.name) as file:
            parquet = pq.ParquetFile(file, pre_buffer=False)
            batches = parquet.iter_batches(batch_size=STEP, columns=columns)
            yield from joined(
                batches, pa.schema([field for field in source.schema if field.name in wanted]), rows=_ROWS
            )
