"""Files, folders, globs and URLs as Parquet files on a file system of pyarrow's."""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from vibe_router.errors import DataError, UsageError

SUFFIXES = (".parquet", ".parq", ".pq")
_WILD = "*?["
_TAIL_BYTES = 8
_MAGIC = b"PAR1"


@dataclass(frozen=True)
class Place:
    """A path on a file system."""

    filesystem: fs.FileSystem
    path: str

    @property
    def is_local(self) -> bool:
        """Whether this is a file system of this machine."""
        return isinstance(self.filesystem, fs.LocalFileSystem)

    def child(self, name: str) -> Place:
        """Return the place `name` below this one."""
        return Place(self.filesystem, f"{self.path.rstrip('/')}/{name}")


@dataclass(frozen=True)
class Source:
    """A Parquet file: its place, its name below the folder that was asked for, its rows, and its identity.

    `identity` is the SHA-256 of the file's size and footer, which holds the places, sizes and statistics of all
    columns: another content has another one, and it costs one small read.
    """

    place: Place
    name: str
    rows: int
    identity: str
    schema: pa.Schema


def find_place(location: str) -> Place:
    """Return the place that a path or URL names, such as "logs/", "s3://bucket/logs" or "file:///logs".

    Raises:
        UsageError: no file system of this pyarrow knows the URL.
    """
    if "://" not in location:
        return Place(fs.LocalFileSystem(), str(Path(location).expanduser().absolute()))
    try:
        return Place(*fs.FileSystem.from_uri(location))
    except (pa.ArrowException, ValueError, OSError) as error:
        raise UsageError(
            f"{_shown(location)}: {_first_line(error)}",
            hint="give a path, or a URL such as s3://bucket/logs",
        ) from error


def find_sources(location: str) -> list[Source]:
    """Return the Parquet files of a file, a folder (all below it), or a glob (`*`, `?`, `[]`), ordered by name.

    Files whose names begin with a dot or an underscore are none: other programs' notes and unfinished files do.

    Raises:
        UsageError: nothing is there, or no file system knows the URL.
        DataError: a file is no Parquet file.
    """
    wild = min((location.index(sign) for sign in _WILD if sign in location), default=None)
    # A question mark begins a URL's options.
    if wild is None or ("://" in location and location[wild] == "?"):
        return _sources_at(find_place(location), location)
    base, _, pattern = location[:wild].rpartition("/")
    pattern += location[wild:]
    place = find_place(base if base or not location.startswith("/") else "/") if base else find_place(".")
    found = [name for name in _below(place) if fnmatch.fnmatchcase(name, pattern)]
    if not found:
        raise UsageError(f"no Parquet file matches {location}", hint="quote the pattern, so that the shell leaves it")
    return [read_source(place.child(name), name) for name in found]


def read_source(place: Place, name: str) -> Source:
    """Return what a Parquet file's footer tells.

    Raises:
        DataError: it is no Parquet file, or cannot be read.
    """
    with opened(place, name) as file:
        size = file.size()
        file.seek(max(size - _TAIL_BYTES, 0))
        tail = file.read(_TAIL_BYTES)
        length = int.from_bytes(tail[:4], "little")
        if tail[4:] != _MAGIC or length > size - _TAIL_BYTES:
            raise DataError(f"{name} is no Parquet file", hint="it ends before its footer, or is of another format")
        file.seek(size - _TAIL_BYTES - length)
        identity = hashlib.sha256(size.to_bytes(8, "little") + file.read(length)).hexdigest()
        metadata = pq.ParquetFile(file)
        return Source(place, name, metadata.metadata.num_rows, identity, metadata.schema_arrow)


@contextmanager
def opened(place: Place, name: str) -> Iterator[Any]:
    """Yield a file to read at random; errors of pyarrow in the block become errors that name the file.

    Raises:
        DataError: the file cannot be read, or its content is damaged.
    """
    try:
        with place.filesystem.open_input_file(place.path) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"cannot read {name}: {_first_line(error)}", hint="check the file") from error


def _sources_at(place: Place, location: str) -> list[Source]:
    kind = place.filesystem.get_file_info(place.path).type
    if kind == fs.FileType.File:
        return [read_source(place, PurePosixPath(place.path).name)]
    if kind != fs.FileType.Directory:
        raise UsageError(f"nothing is at {_shown(location)}", hint="name a Parquet file, a folder or a glob")
    found = list(_below(place))
    if not found:
        raise UsageError(f"no Parquet file is below {_shown(location)}", hint=f"looked for {', '.join(SUFFIXES)}")
    return [read_source(place.child(name), name) for name in found]


def _below(place: Place) -> Iterator[str]:
    """Yield the names of Parquet files below a folder, in order."""
    base = place.path.rstrip("/") + "/"
    entries = place.filesystem.get_file_info(fs.FileSelector(place.path, recursive=True, allow_not_found=True))
    for path in sorted(entry.path for entry in entries if entry.type == fs.FileType.File):
        name = path[len(base) :] if path.startswith(base) else path
        if name.endswith(SUFFIXES) and not any(part[0] in "._" for part in name.split("/") if part):
            yield name


def _shown(location: str) -> str:
    """Return a location without a URL's options, which may hold keys."""
    return location.split("?", maxsplit=1)[0] if "://" in location else location


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
