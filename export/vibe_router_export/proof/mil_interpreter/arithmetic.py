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
# Columns of a product that are summed up together, so that they stay in the processor's cache meanwhile.
_COLUMNS = 64
_LARGEST_HALF, _SMALLEST_NORMAL_HALF = np.float32(65_504), np.float32(2.0**-14)
_EXPONENT_BITS = np.uint32(0x7F80_0000)
# 1.5 times the 13 bits that a float32 has more than an fp16 number.
_SHIFT = np.float32(1.5 * 2**13)


class Rounding(Enum):
    """What happens to an fp16 tensor.

    `EXACT` computes in fp32, to see whether the graph is right. `HALF` rounds each operation's result, as hardware
    does that adds up in fp32. `PESSIMISTIC` also rounds inside: partial sums, squares, exponentials.
    """

    EXACT = "exact"
    HALF = "half"
    PESSIMISTIC = "pessimistic"


def to_half(x: Floats) -> Floats:
    """Round to the nearest fp16 number, ties to even; what is larger becomes infinite, as in hardware.

    A number of the right size, added and taken away again, leaves no more bits than fp16 has; numpy's own conversion
    does the same several times slower, and is left what overflows.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        large = (x.view(np.uint32) & _EXPONENT_BITS).view(np.float32)
        # Below its normal numbers fp16 has evenly spaced ones.
        large = np.maximum(large, _SMALLEST_NORMAL_HALF)
        large *= _SHIFT
        rounded: Floats = x + large
        rounded -= large
        if rounded.size and not -_LARGEST_HALF <= rounded.min() <= rounded.max() <= _LARGEST_HALF:
            return x.astype(np.float16).astype(np.float32)
    return rounded


@dataclass(frozen=True)
class Arithmetic:
    """Arithmetic for operations with an fp32 (`half` False) or fp16 result."""

    rounding: Rounding
    half: bool

    def result(self, x: Floats) -> Floats:
        """Round what an operation returns."""
        wide: Floats = x.astype(np.float32, copy=False)
        return wide if self.rounding is Rounding.EXACT or not self.half else to_half(wide)

    def inner(self, x: Floats) -> Floats:
        """Round what an operation keeps to itself."""
        return to_half(x) if self._inside else x

    def matmul(self, a: Floats, b: Floats) -> Floats:
        """Return a @ b over the last two axes."""
        if not self._inside:
            product: Floats = a @ b
            return product
        columns = [b[..., start : start + _COLUMNS] for start in range(0, b.shape[-1], _COLUMNS)]
        return np.concatenate([_sum_in_half(a, some) for some in columns], axis=-1)

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


def _sum_in_half(a: Floats, b: Floats) -> Floats:
    """Return a @ b, rounding the sum so far after every few terms."""
    total: Floats = to_half(a[..., :_GROUP] @ b[..., :_GROUP, :])
    for start in range(_GROUP, a.shape[-1], _GROUP):
        part: Floats = a[..., start : start + _GROUP] @ b[..., start : start + _GROUP, :]
        part += total
        total = to_half(part)
    return total
