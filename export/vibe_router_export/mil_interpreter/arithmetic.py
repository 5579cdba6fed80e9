"""How numbers are rounded: not at all, to fp16 after each operation, or inside each operation too."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
# The pessimistic mode rounds a sum after so many terms. Hardware that keeps sums in fp16 at all adds up small groups
# first; rounding after every term would take hours at base size.
_GROUP = 16


class Rounding(Enum):
    """What happens to an fp16 tensor.

    `EXACT` computes in fp32, to see whether the graph is right. `HALF` rounds each operation's result, as hardware
    does that adds up in fp32. `PESSIMISTIC` also rounds inside: partial sums, squares, exponentials.
    """

    EXACT = "exact"
    HALF = "half"
    PESSIMISTIC = "pessimistic"


def to_half(x: Floats) -> Floats:
    """Round to the nearest fp16 number; what is larger becomes infinite, as in hardware."""
    return x.astype(np.float16).astype(np.float32)


@dataclass(frozen=True)
class Arithmetic:
    """Arithmetic for operations with an fp32 (`half` False) or fp16 result."""

    rounding: Rounding
    half: bool

    def result(self, x: Floats) -> Floats:
        """Round what an operation returns."""
        return x.astype(np.float32) if self.rounding is Rounding.EXACT or not self.half else to_half(x)

    def inner(self, x: Floats) -> Floats:
        """Round what an operation keeps to itself."""
        return to_half(x) if self._inside else x

    def matmul(self, a: Floats, b: Floats) -> Floats:
        """Return a @ b over the last two axes."""
        if not self._inside:
            product: Floats = a @ b
            return product
        total: Floats | None = None
        for start in range(0, a.shape[-1], _GROUP):
            part = a[..., start : start + _GROUP] @ b[..., start : start + _GROUP, :]
            total = to_half(part if total is None else total + part)
        assert total is not None
        return total

    def sum(self, x: Floats, axis: int) -> Floats:
        """Sum over one axis, which stays with length 1."""
        if not self._inside:
            total: Floats = x.sum(axis=axis, keepdims=True)
            return total
        last_first = np.moveaxis(x, axis, -1)
        ones = np.ones((x.shape[axis], 1), np.float32)
        return np.moveaxis(self.matmul(last_first, ones), -1, axis)

    @property
    def _inside(self) -> bool:
        return self.half and self.rounding is Rounding.PESSIMISTIC
