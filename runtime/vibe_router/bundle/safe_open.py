"""Open a file of a folder that a stranger may have filled: no links, no devices, no way out.

Each folder on the way and the file itself are opened one inside the other without following links, so that nothing that
was checked can be swapped for something else before it is read: what was opened is what is read and hashed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import mmap
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vibe_router.bundle.strict_json import AGAIN
from vibe_router.errors import BundleCorruptError

_WINDOW = 2**26
# Opening never waits, for instance for the writer of a named pipe.
_FILE_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_FOLDER_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)


@dataclass(frozen=True)
class Identity:
    """The part of a file's status that changes when it is replaced, moved or written to; times in nanoseconds."""

    device: int
    inode: int
    bytes: int
    modified: int
    changed: int

    @classmethod
    def of(cls, descriptor: int) -> Identity:
        """Return the identity of an open file."""
        status = os.fstat(descriptor)
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@contextlib.contextmanager
def open_inside(folder: Path, name: str, *, blobs: Path | None = None, hard_links: bool = False) -> Iterator[int]:
    """Yield a descriptor of the regular file `name`, a relative POSIX path that has been checked to be one.

    `blobs` is the folder of the Hugging Face cache that a snapshot's files are links into; other links are refused.
    With `hard_links` the file may have other names, as package managers give to what they install.

    Raises:
        BundleCorruptError: missing, reached through a link, no regular file, or with other names.
    """
    *folders, last = name.split("/")
    opened: list[int] = []
    try:
        opened += _open_folders(folder, folders, name)
        if blobs is not None and stat.S_ISLNK(os.stat(last, dir_fd=opened[-1], follow_symlinks=False).st_mode):
            target = (folder / name).resolve()
            if target.parent != blobs:
                raise corrupt(f"{name} is reached through a link")
            last = target.name
            opened.append(os.open(blobs, _FOLDER_FLAGS))
        # Check first: merely opening a device can have side effects.
        _refuse(name, os.stat(last, dir_fd=opened[-1], follow_symlinks=False), stat.S_ISREG, "is not a regular file")
        opened.append(os.open(last, _FILE_FLAGS, dir_fd=opened[-1]))
        status = os.fstat(opened[-1])
        _refuse(name, status, stat.S_ISREG, "is not a regular file")
        if status.st_nlink > 1 and not hard_links:
            raise corrupt(f"{name} is reached through a hard link: the file has {status.st_nlink} names")
        descriptor = opened.pop()
    except OSError as error:
        raise _cannot_open(name, error) from error
    finally:
        for one in opened:
            os.close(one)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def open_parent(folder: Path, name: str) -> Iterator[int]:
    """Yield a descriptor of the folder in which the file `name` of `folder` lies, reached without following links.

    Raises:
        BundleCorruptError: missing, or reached through a link.
    """
    opened: list[int] = []
    try:
        opened += _open_folders(folder, name.split("/")[:-1], name)
    except OSError as error:
        raise _cannot_open(name, error) from error
    try:
        yield opened[-1]
    finally:
        for one in opened:
            os.close(one)


def _open_folders(folder: Path, parts: list[str], name: str) -> list[int]:
    """Return descriptors of `folder` and of each folder inside the one before it.

    Raises:
        OSError, BundleCorruptError: one of them cannot be opened; none is open then.
    """
    opened = [os.open(folder, _FOLDER_FLAGS & ~getattr(os, "O_NOFOLLOW", 0))]
    try:
        for part in parts:
            _refuse(name, os.stat(part, dir_fd=opened[-1], follow_symlinks=False), stat.S_ISDIR, "is missing")
            opened.append(os.open(part, _FOLDER_FLAGS, dir_fd=opened[-1]))
    except BaseException:
        for one in opened:
            os.close(one)
        raise
    return opened


def _cannot_open(name: str, error: OSError) -> BundleCorruptError:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return corrupt(f"{name} is missing")
    if error.errno == errno.ELOOP:
        return corrupt(f"{name} is reached through a link")
    return corrupt(f"{name} cannot be read: {error.strerror}")


def sha256_of(descriptor: int, *, name: str) -> str:
    """Return the SHA-256 of an open file, with one window of it mapped at a time.

    Each window is hashed in one call, during which Python's lock is free and never waited for: a thread that reads
    small blocks while another imports modules waits for it hundreds of times, for up to 5 ms each.

    Raises:
        BundleCorruptError: it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        size = os.fstat(descriptor).st_size
        for start in range(0, size, _WINDOW):
            length = min(_WINDOW, size - start)
            with mmap.mmap(descriptor, length, access=mmap.ACCESS_READ, offset=start) as window:
                digest.update(window)
    except (OSError, ValueError) as error:
        raise corrupt(f"{name} cannot be read: {error}") from error
    return digest.hexdigest()


def map_file(descriptor: int, *, name: str) -> mmap.mmap:
    """Return the whole open file, mapped to be read.

    Raises:
        BundleCorruptError: it is empty, or cannot be mapped.
    """
    try:
        return mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise corrupt(f"{name} cannot be mapped: {error}") from error


def corrupt(message: str) -> BundleCorruptError:
    """Return the error of a damaged bundle, with the hint that fits all of them."""
    return BundleCorruptError(message, hint=AGAIN)


def _refuse(name: str, status: os.stat_result, wanted: Callable[[int], bool], otherwise: str) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise corrupt(f"{name} is reached through a link")
    if not wanted(status.st_mode):
        raise corrupt(f"{name} {otherwise}")
