"""Progress events of the library, which draws nothing itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """`done` of `total` items are finished; total is None where nobody knows it."""

    done: int
    total: int | None


ProgressCallback = Callable[[Progress], None]
