"""How large a tensor can become: an upper bound of each of its sides, by the prompts in a batch and their tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

SHORTEST = 64
"""Tokens that a prompt counts as where it has fewer, so that a number rounded up is a factor and no addition."""


class Size(NamedTuple):
    """At most `factor` · batch^`batch` · tokens^`tokens`, tokens being those of the longest prompt, or `SHORTEST`."""

    factor: float
    batch: int = 0
    tokens: int = 0


Shape = tuple[Size, ...]
ONE = Size(1)
BATCH, TOKENS = Size(1, batch=1), Size(1, tokens=1)


class Operand(NamedTuple):
    """A tensor: its shape, its numbers where a node's shape may depend on them, and whether it is one of the inputs.

    `numbers` are integers of the file, or `BATCH` or `TOKENS` for the inputs' own sides, which then are exact.
    """

    shape: Shape
    numbers: tuple[int | Size, ...] | None = None
    is_input: bool = False


def fixed(value: int) -> Size:
    """Return the size of a side of so many numbers; an empty one counts as one."""
    return Size(float(max(value, 1)))


def larger(a: Size, b: Size) -> Size:
    """Return a bound of both."""
    if a == b or b == ONE:
        return a
    if a == ONE:
        return b
    return Size(max(a.factor, b.factor), max(a.batch, b.batch), max(a.tokens, b.tokens))


def product(sizes: Iterable[Size]) -> Size:
    """Return a bound of the product."""
    factor, batch, tokens = 1.0, 0, 0
    for size in sizes:
        factor *= size.factor
        batch += size.batch
        tokens += size.tokens
    return Size(factor, batch, tokens)


def broadcast(shapes: Sequence[Shape]) -> Shape:
    """Return the shape of what is computed from tensors side by side, as numpy broadcasts."""
    rank = max(len(shape) for shape in shapes)
    sides = [ONE] * rank
    for shape in shapes:
        for place, size in enumerate(shape, rank - len(shape)):
            sides[place] = larger(sides[place], size)
    return tuple(sides)
