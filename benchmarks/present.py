"""Whether libraries are installed, asked without importing them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec


def missing(modules: Sequence[str]) -> list[str]:
    """Return those of `modules` (dotted names) that are not installed."""
    return [name for name in modules if not _found(name)]


def require(modules: Sequence[str]) -> None:
    """Stop this process, with the reason as its last words, where one of `modules` is not installed."""
    absent = missing(modules)
    if absent:
        raise SystemExit(f"not installed: {', '.join(absent)}")


def _found(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False
