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
from vibe_router.printable import first_line

SUFFIXES = (".parquet", ".parq", ".pq")
_WILD = "*?["
_TAIL_BYTES = 8
_MAGIC = b"PAR1"
_HINTS = {
    "s3": "check the bucket's name and region (?region=eu-central-1), and the credentials in AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY or AWS_PROFILE",
    "gs": "check the bucket's name and GOOGLE_APPLICATION_CREDENTIALS; gs://anonymous@bucket/logs asks without any",
    "hdfs": "check the host, JAVA_HOME, HADOOP_HOME and CLASSPATH",
    "http": "download the files, or name a store such as s3://bucket/logs",
    "https": "download the files, or name a store such as s3://bucket/logs",
}
"""What to check, by a URL's scheme."""


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
        UsageError: no file system of this pyarrow knows the URL, the path is not UTF-8, or its "~name" has no home.
    """
    try:
        if "://" in location:
            return Place(*fs.FileSystem.from_uri(_impatient(location)))
        path = str(Path(location).expanduser().absolute())
        path.encode()  # pyarrow takes no other names
        return Place(fs.LocalFileSystem(), path)
    except (pa.ArrowException, ValueError, OSError, RuntimeError) as error:
        raise UsageError(f"{_shown(location)}: {_said(error)}", hint=_hint(location)) from error


def find_sources(location: str) -> list[Source]:
    """Return the Parquet files of a file, a folder (all below it), or a glob (`*`, `?`, `[]`), ordered by name.

    A path that is there is no glob, whatever its name holds.

    Files whose names begin with a dot or an underscore are none: other programs' notes and unfinished files do.

    Raises:
        UsageError: nothing is there, or no file system knows the URL.
        DataError: a file is no Parquet file.
    """
    wild = min((location.index(sign) for sign in _WILD if sign in location), default=None)
    if wild is None or _is_one_place(location, location[wild]):
        return _sources_at(find_place(location), location)
    base, slash, pattern = location[:wild].rpartition("/")
    pattern += location[wild:]
    place = find_place(base or slash or ".")
    with _looking_at(location):
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
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise DataError(f"cannot read {name}: {_said(error)}", hint="check the file") from error


def _is_one_place(location: str, sign: str) -> bool:
    """Return whether a location with a glob's `sign` in it is none: a question mark begins a URL's options."""
    if "://" in location:
        return sign == "?"
    place = find_place(location)
    with _looking_at(location):
        return bool(place.filesystem.get_file_info(place.path).type != fs.FileType.NotFound)


def _sources_at(place: Place, location: str) -> list[Source]:
    with _looking_at(location):
        kind = place.filesystem.get_file_info(place.path).type
        found = list(_below(place)) if kind == fs.FileType.Directory else []
    if kind == fs.FileType.File:
        return [read_source(place, PurePosixPath(place.path).name)]
    if kind != fs.FileType.Directory:
        raise UsageError(f"nothing is at {_shown(location)}", hint="name a Parquet file, a folder or a glob")
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


@contextmanager
def _looking_at(location: str) -> Iterator[None]:
    """Turn the error of a store that does not answer, or refuses access, into one with a hint.

    Raises:
        DataError: the block raised an error of the file system, or found a name that is not UTF-8.
    """
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise DataError(f"cannot look at {_shown(location)}: {_said(error)}", hint=_hint(location)) from error


def _impatient(location: str) -> str:
    """Return a URL with which Google's client gives up after a minute; its own limit is a quarter of an hour."""
    if not location.startswith(("gs://", "gcs://")) or "retry_limit_seconds=" in location:
        return location
    return f"{location}{'&' if '?' in location else '?'}retry_limit_seconds=60"


def _hint(location: str) -> str:
    """Return what to check where a location cannot be looked at."""
    scheme = location.partition("://")[0] if "://" in location else ""
    return _HINTS.get(scheme, "give a path that you can read, or a URL such as s3://bucket/logs")


def _shown(location: str) -> str:
    """Return a location without a URL's options, which may hold keys."""
    return location.split("?", maxsplit=1)[0] if "://" in location else location


def _said(error: Exception) -> str:
    return first_line(error)[:200]
