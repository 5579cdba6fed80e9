"""Weights with fewer significant bits: the same float32 format, but files that compress."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from vibe_router_export.checkpoint.weights import ModernBertWeights, Parameter

# A float32 has 24 significant bits, the leading one implied.
ALL_BITS = 24
_FEWER_IN_TABLE = 1

T = TypeVar("T")


def keep_significant_bits(weights: ModernBertWeights, bits: int) -> ModernBertWeights:
    """Return the weights rounded to `bits` significant bits each.

    The embedding table keeps one fewer, because a token reads one row of it and no sum over rows adds the errors up. In
    each matrix, values below half of its root mean square are rounded as finely as those at it, not finer: they add
    little to a sum, and their last bits say less than the error of the large ones.
    The bits that are dropped are zeros in the file, which archives then leave out.
    """
    if bits >= ALL_BITS:
        return weights
    table = _rounded_parts(weights.token_embedding, bits - _FEWER_IN_TABLE)
    return replace(_rounded_parts(weights, bits), token_embedding=table)


def round_to_bits(values: NDArray[np.float32], bits: int) -> NDArray[np.float32]:
    """Return float32 values rounded to the nearest with `bits` significant bits, ties to even.

    No value is rounded more finely than those at half the root mean square of all.
    """
    exact = np.asarray(values, np.float64)
    _, exponent = np.frexp(exact)
    _, finest = np.frexp(np.sqrt(np.mean(exact**2)) / 2.0)
    step = np.ldexp(1.0, np.maximum(exponent, finest) - bits)
    return np.asarray(np.rint(exact / step) * step, np.float32)


def _rounded_parts(part: T, bits: int) -> T:
    """Return a part of the weights with every parameter in it rounded."""
    if isinstance(part, Parameter):
        return replace(part, value=round_to_bits(part.value, bits))
    if isinstance(part, tuple):
        return tuple(_rounded_parts(one, bits) for one in part)  # type: ignore[return-value]
    if is_dataclass(part) and not isinstance(part, type) and type(part).__module__ == Parameter.__module__:
        changes = {one.name: _rounded_parts(getattr(part, one.name), bits) for one in fields(part)}
        return replace(part, **changes)
    return part
