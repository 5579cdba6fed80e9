"""A lock on a file or folder that the system releases when its process ends, however it ends."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from enum import Enum
from pathlib import Path


class Lock(Enum):
    """The outcome of asking for a lock."""

    TAKEN = "taken"
    BUSY = "busy"
    """Another process holds it."""
    UNKNOWN = "unknown"
    """This system or file system has no such locks."""


@contextlib.contextmanager
def lock_path(path: Path) -> Iterator[Lock]:
    """Hold the lock of `path` during the block where it is free; do not wait for it.

    Raises:
        OSError: `path` cannot be opened, or is a symbolic link.
    """
    try:
        import fcntl
    except ImportError:
        yield Lock.UNKNOWN
        return
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            lock = Lock.TAKEN
        except OSError as error:
            lock = Lock.BUSY if error.errno in (errno.EWOULDBLOCK, errno.EACCES) else Lock.UNKNOWN
        yield lock
    finally:
        os.close(handle)
