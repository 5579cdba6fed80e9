"""A check that libraries are installed, made without importing them: `python -m benchmarks.peers.present MODULE...`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec

NOT_INSTALLED = 69
"""Exit code of a child that lacks a library; EX_UNAVAILABLE of sysexits.h."""


def missing(modules: Sequence[str]) -> list[str]:
    """Return those of `modules` (dotted names) that are not installed."""
    return [name for name in modules if not _found(name)]


def require(modules: Sequence[str]) -> None:
    """End this process with exit code `NOT_INSTALLED`, their names its last words, where `modules` are missing."""
    absent = missing(modules)
    if absent:
        sys.stderr.write(f"{', '.join(absent)}\n")
        sys.exit(NOT_INSTALLED)


def _found(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


if __name__ == "__main__":
    require(sys.argv[1:])
