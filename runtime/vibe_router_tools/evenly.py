"""A few items of a list, evenly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def evenly(items: Sequence[T], count: int) -> list[T]:
    """Return `count` of the items at equal distances, the first and the last among them; all where there are fewer."""
    if count >= len(items):
        return list(items)
    return [items[place] for place in np.linspace(0, len(items) - 1, count).astype(int)]
