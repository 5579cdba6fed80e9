"""Values that no call takes, by argument, and numbers of every kind that a call takes."""

from __future__ import annotations

import numbers
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np


class Mute:
    """A number of the caller's own that is none, and cannot be printed."""

    def __repr__(self) -> str:
        raise ZeroDivisionError

    def __float__(self) -> float:
        raise ZeroDivisionError


numbers.Real.register(Mute)

_NO_NUMBERS = ([], {}, 1j, True, np.bool_(True), np.complex64(1), np.array([0.5, 0.6]), np.array("1"), object(), Mute())
WRONG: dict[str, tuple[Any, ...]] = {
    "profile": (123, [], b"balanced", object(), 1.0, "none such", np.array(["balanced"] * 2), Mute()),
    "threshold": (*_NO_NUMBERS, "0.5", b"1", np.str_("0.5"), float("nan"), np.float32("nan"), -1, 2, 10**400, 10**5000),
    "fallback": ("x", [], {}, 0, 10**5000, b"device", np.array(["device"] * 2), object(), Mute()),
    "timeout": (*_NO_NUMBERS, "1", b"1", np.str_("1"), float("nan"), np.float16("nan"), Decimal("nan")),
    "allow_cloud": ("false", "0", 0, None, [], np.array([True, True])),
}
HALVES: tuple[Any, ...] = (0.5, np.float16(0.5), np.float32(0.5), np.float64(0.5), Fraction(1, 2), Decimal("0.5"))
"""The same number, as different libraries have it."""
