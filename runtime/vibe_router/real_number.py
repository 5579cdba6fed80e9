"""Numbers that a caller passes, whatever library made them."""

from __future__ import annotations

import math


def real_number(value: object) -> float:
    """Return a real number as a float: Python's, numpy's, a fraction or a decimal. Return NaN for anything else.

    Truth values, texts, complex numbers and arrays are none, although `float` would take some of them. What is beyond
    every float is infinite.
    """
    if type(value) is float:
        return value
    import numbers

    if isinstance(value, bool) or not isinstance(value, numbers.Number):
        return math.nan
    # numpy's complex numbers become floats, without their imaginary part.
    if isinstance(value, numbers.Complex) and not isinstance(value, numbers.Real):
        return math.nan
    try:
        return float(value)  # type: ignore[arg-type]
    except OverflowError:
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]
    except Exception:  # noqa: BLE001 - a class of the caller's own may raise anything
        return math.nan
