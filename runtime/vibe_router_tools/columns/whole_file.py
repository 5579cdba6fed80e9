"""Write one Parquet file of results whole or not at all, on any file system, and know it again."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from vibe_router.errors import DataError, UsageError, VibeRouterError
from vibe_router_tools.atomic.write import staged_file
from vibe_router_tools.columns.sources import Place

_KEY = b"vibe_router"
_IDENTITY = "identity"


def identity_at(place: Place) -> str | None:
    """Return the identity that a file of results carries, None where nothing is there.

    Raises:
        UsageError: something else is there.
        DataError: the place cannot be read.
    """
    try:
        info = place.filesystem.get_file_info(place.path)
        if info.type == fs.FileType.NotFound:
            return None
        with place.filesystem.open_input_file(place.path) as file:
            metadata = pq.ParquetFile(file).schema_arrow.metadata or {}
        return str(json.loads(metadata[_KEY])[_IDENTITY])
    except (pa.ArrowInvalid, KeyError, ValueError, TypeError, RecursionError) as error:
        raise UsageError(
            f"{place.path} is there already and holds no results of this command", hint="name another folder"
        ) from error
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"cannot read {place.path}: {error}", hint="check the folder of results") from error


def write_whole(
    place: Place, tables: Iterator[pa.Table], schema: pa.Schema, *, identity: str, facts: Mapping[str, Any], rows: int
) -> int:
    """Write `tables` to a file that appears at `place` complete and checked; return the number of row groups.

    A file that is there is replaced. The bytes depend on the arguments and the version of pyarrow alone.

    Raises:
        UsageError: the place cannot be written to.
        VibeRouterError: the disk is full or broken, or what was written is not what is read again.
    """
    note = json.dumps({_IDENTITY: identity, **facts}, sort_keys=True).encode()
    schema = schema.with_metadata({**(schema.metadata or {}), _KEY: note})
    with _finished(place) as path:
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for table in tables:
                writer.write_table(table.cast(schema), row_group_size=max(table.num_rows, 1))
        written = pq.ParquetFile(path)
        if written.metadata.num_rows != rows or not written.schema_arrow.equals(schema):
            raise VibeRouterError(
                f"{place.path} would have {written.metadata.num_rows} rows instead of {rows}",
                hint="the input changed while it was read, or the disk loses what is written",
            )
        return int(written.metadata.num_row_groups)


@contextmanager
def _finished(place: Place) -> Iterator[Path]:
    """Yield a local path; what is there when the block ends without an error appears at `place` in one step."""
    if place.is_local:
        target = Path(place.path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot write {target}: {error.strerror}", hint="name another folder") from error
        with staged_file(target) as path:
            yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part.parquet"
        yield path
        # Moved, because an upload that is broken off may leave its beginning behind under the name it had.
        parent, _, name = place.path.rpartition("/")
        partial = f"{parent}/.{name}.partial"
        try:
            place.filesystem.create_dir(parent, recursive=True)
            fs.copy_files(
                str(path), partial, source_filesystem=fs.LocalFileSystem(), destination_filesystem=place.filesystem
            )
            place.filesystem.move(partial, place.path)
        except (pa.ArrowException, OSError) as error:
            raise VibeRouterError(
                f"cannot write {place.path}: {error}", hint="try again; nothing is half there"
            ) from error
