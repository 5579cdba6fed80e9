"""Parts: which rows of which file become which file of results. The same input gives the same parts, on any machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vibe_router.errors import UsageError
from vibe_router_tools.columns.sources import Source, opened

STEP = 64
"""Rows that are decoded at a time. A text that they share is in a file once, so that its size says little of theirs."""
_BATCH_BYTES = 64 * 2**20
"""Rows that are held at a time take about this much at most, before their decisions."""


@dataclass(frozen=True)
class Part:
    """Rows `start` to `stop` of a source; `number` counts the parts of all sources, `name` is the result's."""

    source: Source
    number: int
    start: int
    stop: int
    name: str

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.stop - self.start

    def identity(self, terms: Mapping[str, Any]) -> str:
        """Return the SHA-256 of what the result depends on: the rows, and the terms of the run."""
        content = {"input": self.source.identity, "start": self.start, "stop": self.stop, "terms": dict(terms)}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def plan_parts(sources: Sequence[Source], *, rows: int) -> list[Part]:
    """Return parts of at most `rows` rows, in order; a file without rows is one part.

    Raises:
        UsageError: two files differ in their suffix alone, so that their results would have one name.
    """
    parts: list[Part] = []
    named: dict[PurePosixPath, str] = {}
    for source in sources:
        stem = PurePosixPath(source.name).with_suffix("")
        other = named.setdefault(stem, source.name)
        if other != source.name:
            raise UsageError(
                f"{other} and {source.name} would have results of one name",
                hint="rename one of them, or route each into a folder of its own",
            )
        for index, start in enumerate(range(0, max(source.rows, 1), rows)):
            stop = min(start + rows, source.rows)
            parts.append(Part(source, len(parts), start, stop, f"{stem}-{index:05d}.parquet"))
    return parts


def read_part(part: Part, *, rows: int) -> Iterator[pa.Table]:
    """Yield the part's rows as tables of at most `rows` rows, fewer where they are large.

    Raises:
        DataError: the file cannot be read, or is damaged.
    """
    with opened(part.source.place, part.source.name) as file:
        parquet = pq.ParquetFile(file, pre_buffer=False)
        groups, first = _groups(parquet.metadata, part)
        if not groups:
            return
        skip, left = part.start - first, part.rows
        size = _rows_a_batch(parquet.metadata, groups, STEP)
        batches = parquet.iter_batches(batch_size=size, row_groups=groups)
        yield from joined(_within(batches, skip, left), part.source.schema, rows=rows)


def joined(batches: Iterable[pa.RecordBatch], schema: pa.Schema, *, rows: int) -> Iterator[pa.Table]:
    """Yield batches of at most `STEP` rows as tables of at most `rows` rows, fewer where they are large."""
    held: list[pa.RecordBatch] = []
    count = size = 0
    for batch in batches:
        held.append(batch)
        count += batch.num_rows
        size += batch.nbytes
        if count + STEP > rows or size >= _BATCH_BYTES:
            yield pa.Table.from_batches(held, schema=schema).combine_chunks()
            held, count, size = [], 0, 0
    if held:
        yield pa.Table.from_batches(held, schema=schema).combine_chunks()


def _within(batches: Iterable[pa.RecordBatch], skip: int, left: int) -> Iterator[pa.RecordBatch]:
    """Yield `left` rows after the first `skip` ones."""
    for batch in batches:
        wanted = batch.slice(skip, left)
        skip = max(skip - batch.num_rows, 0)
        if wanted.num_rows:
            left -= wanted.num_rows
            yield wanted
        if not left:
            return


def _groups(metadata: pq.FileMetaData, part: Part) -> tuple[list[int], int]:
    """Return the row groups that hold the part's rows, and the first one's first row."""
    groups: list[int] = []
    first = end = 0
    for index in range(metadata.num_row_groups):
        begin, end = end, end + metadata.row_group(index).num_rows
        if begin < part.stop and end > part.start:
            first = first if groups else begin
            groups.append(index)
    return groups, first


def _rows_a_batch(metadata: pq.FileMetaData, groups: Sequence[int], most: int) -> int:
    found = [metadata.row_group(index) for index in groups]
    widest = max(group.total_byte_size / max(group.num_rows, 1) for group in found)
    return max(1, min(most, int(_BATCH_BYTES / max(widest, 1))))
