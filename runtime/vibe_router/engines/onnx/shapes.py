"""The shapes that a node gives, by those of its inputs: one rule for each way in which exported nodes make them.

Every rule gives an upper bound that holds for any batch and any prompt, whatever an input's numbers are. A size that
follows from numbers follows from numbers that the file states, or from the sides of the graph's own inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from vibe_router.engines.onnx.sizes import (
    BATCH,
    ONE,
    SHORTEST,
    TOKENS,
    Operand,
    Shape,
    Size,
    broadcast,
    fixed,
    larger,
    product,
)
from vibe_router.engines.onnx.wire import RefusedError

# Below one where a side of tokens is shared out; never zero.
_SMALLEST = 2.0**-20
Attributes = Mapping[str, int | tuple[int, ...] | bytes]


class Call(NamedTuple):
    """What a rule is given: the inputs, None where one is left out; the attributes; how many outputs there are."""

    inputs: tuple[Operand | None, ...]
    attributes: Attributes
    outputs: int

    def operand(self, index: int) -> Operand:
        """Return an input that must be there."""
        found = self.inputs[index] if index < len(self.inputs) else None
        if found is None:
            raise RefusedError("it lacks an input")
        return found

    def operands(self) -> list[Operand]:
        """Return all inputs, which must be there, and at least one."""
        return [self.operand(index) for index in range(max(len(self.inputs), 1))]

    def numbers(self, index: int) -> tuple[int | Size, ...]:
        """Return the numbers of an input that must state them."""
        found = self.operand(index).numbers
        if found is None:
            raise RefusedError("a shape follows from numbers that the file does not state")
        return found

    def integers(self, index: int) -> list[int]:
        """Return the numbers of an input that must state integers."""
        found = [one for one in self.numbers(index) if isinstance(one, int)]
        if len(found) != len(self.numbers(index)):
            raise RefusedError("axes or widths follow from a prompt")
        return found

    def number(self, index: int) -> int | Size:
        """Return the only number of an input that must state it."""
        found = self.numbers(index)
        if len(found) != 1:
            raise RefusedError("it has a list where one number stands")
        return found[0]

    def integer(self, name: str, default: int | None = None) -> int:
        """Return an attribute that is an integer."""
        value = self.attributes.get(name, default)
        if not isinstance(value, int):
            raise RefusedError(f"its attribute {name} is no integer")
        return value


class Made(NamedTuple):
    """What a node makes: its outputs, and the shape of what it needs while it computes."""

    outputs: tuple[Operand, ...]
    scratch: Shape = ()


def _made(shape: Shape) -> Made:
    return Made((Operand(shape),))


def _axis(axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise RefusedError("it names an axis that its input has not")
    return axis % rank


def like_first(call: Call) -> Made:
    """Every output like the first input."""
    return Made((Operand(call.operand(0).shape),) * call.outputs)


def elementwise(call: Call) -> Made:
    """Numbers side by side, as numpy broadcasts."""
    return _made(broadcast([operand.shape for operand in call.operands()]))


def rounded(call: Call) -> Made:
    """The input in 8 bits, its scale and its zero."""
    return Made((Operand(call.operand(0).shape), Operand(()), Operand(())))


def shape_of(call: Call) -> Made:
    """The sides of one of the graph's inputs."""
    if not call.operand(0).is_input:
        raise RefusedError("it asks for the shape of something else than the graph's inputs")
    sides: tuple[Size, ...] = (BATCH, TOKENS)
    found = sides[call.integer("start", 0) : call.integer("end", 2)]
    return Made((Operand((fixed(len(found)),), found),))


def concat(call: Call) -> Made:
    """Tensors one after the other."""
    operands = call.operands()
    rank = len(operands[0].shape)
    axis = _axis(call.integer("axis"), rank)
    if any(len(operand.shape) != rank for operand in operands):
        raise RefusedError("it puts tensors of different ranks together")
    sides = list(broadcast([operand.shape for operand in operands]))
    total = sum(operand.shape[axis].factor for operand in operands)
    sides[axis] = sides[axis]._replace(factor=total)
    stated = [operand.numbers for operand in operands if operand.numbers is not None]
    if rank != 1 or len(stated) != len(operands):
        return _made(tuple(sides))
    return Made((Operand(tuple(sides), tuple(one for numbers in stated for one in numbers)),))


def expand(call: Call) -> Made:
    """A tensor repeated until it has a shape."""
    wanted = []
    for one in call.numbers(1):
        if isinstance(one, int) and one < 0:
            raise RefusedError("it expands to a negative side")
        wanted.append(fixed(one) if isinstance(one, int) else one)
    return _made(broadcast([call.operand(0).shape, tuple(wanted)]))


def reshape(call: Call) -> Made:
    """The same numbers in another shape; one side may follow from the others."""
    given, wanted = call.operand(0).shape, call.numbers(1)
    kept = {place for place, one in enumerate(wanted) if one == 0}
    if wanted.count(-1) > 1 or any(place >= len(given) for place in kept):
        raise RefusedError("a shape that nobody can take")
    sides, open_place = [], -1
    left = product(side for place, side in enumerate(given) if place not in kept)
    for place, one in enumerate(wanted):
        if one == 0:
            sides.append(given[place])
        elif one == -1:
            open_place = place
            sides.append(ONE)
        elif isinstance(one, int):
            if one < 0:
                raise RefusedError("it asks for a negative side")
            sides.append(fixed(one))
            left = left._replace(factor=left.factor / one)
        elif one == BATCH:
            sides.append(BATCH)
            left = left._replace(batch=max(left.batch - 1, 0))
        else:
            raise RefusedError("it divides by the tokens of a prompt")
    if open_place >= 0:
        sides[open_place] = left._replace(factor=max(left.factor, _SMALLEST))
    return _made(tuple(sides))


def add_axes(call: Call) -> Made:
    """Axes of one number put between the others."""
    operand, wanted = call.operand(0), call.integers(1)
    rank = len(operand.shape) + len(wanted)
    places = {_axis(axis, rank) for axis in wanted}
    others = iter(operand.shape)
    shape = tuple(ONE if place in places else next(others, ONE) for place in range(rank))
    return Made((Operand(shape, operand.numbers if rank == 1 else None),))


def drop_axes(call: Call) -> Made:
    """Axes of one number taken away; of a list of one number it is the only one."""
    operand = call.operand(0)
    rank = len(operand.shape)
    if len(call.inputs) < 2:
        if rank != 1:
            raise RefusedError("it does not say which axes it takes away")
        return Made((Operand((), operand.numbers),))
    places = {_axis(axis, rank) for axis in call.integers(1)}
    return _made(tuple(side for place, side in enumerate(operand.shape) if place not in places))


def transpose(call: Call) -> Made:
    """The axes in another order."""
    shape, order = call.operand(0).shape, call.attributes.get("perm")
    if not isinstance(order, tuple) or sorted(order) != list(range(len(shape))):
        raise RefusedError("its axes are in no order")
    return _made(tuple(shape[place] for place in order))


def reduce(call: Call) -> Made:
    """One number for all along some axes, or along every axis."""
    shape = call.operand(0).shape
    axes: Sequence[int] | int | bytes = call.attributes.get("axes", ())
    if len(call.inputs) > 1:
        axes = call.integers(1)
    if isinstance(axes, (int, bytes)):
        raise RefusedError("its attribute axes is no list")
    places = {_axis(axis, len(shape)) for axis in axes} or set(range(len(shape)))
    if call.integer("keepdims", 1):
        return _made(tuple(ONE if place in places else side for place, side in enumerate(shape)))
    return _made(tuple(side for place, side in enumerate(shape) if place not in places))


def gather(call: Call) -> Made:
    """Rows of a tensor, by their numbers."""
    shape, places = call.operand(0).shape, call.operand(1).shape
    axis = _axis(call.integer("axis", 0), len(shape))
    return _made(shape[:axis] + places + shape[axis + 1 :])


def cut(call: Call) -> Made:
    """A part of a tensor, from one number to another along some axes, in its order."""
    if len(call.inputs) != 4:
        raise RefusedError("it does not say where it cuts")
    sides = list(call.operand(0).shape)
    ends, axes = call.numbers(2), call.integers(3)
    if len(ends) != len(axes):
        raise RefusedError("it has other ends than axes")
    for end, axis in zip(ends, axes, strict=True):
        place = _axis(axis, len(sides))
        if not isinstance(end, int):
            sides[place] = end
        elif end >= 0 and not (sides[place].batch or sides[place].tokens):
            sides[place] = Size(min(sides[place].factor, max(end, 1)))
    return _made(tuple(sides))


def split(call: Call) -> Made:
    """Parts of a tensor, one output each."""
    shape = call.operand(0).shape
    axis = _axis(call.integer("axis", 0), len(shape))
    if len(call.inputs) > 1:
        widths = [fixed(width) for width in call.integers(1)]
        if len(widths) != call.outputs:
            raise RefusedError("it has other widths than outputs")
    else:
        whole = shape[axis]
        widths = [whole._replace(factor=max(whole.factor / call.outputs, 1))] * call.outputs
    return Made(tuple(Operand((*shape[:axis], width, *shape[axis + 1 :])) for width in widths))


def count(call: Call) -> Made:
    """Numbers in equal steps."""
    start, end, step = (call.number(index) for index in range(3))
    if not isinstance(start, int) or start < 0 or not isinstance(step, int) or step < 1:
        raise RefusedError("it counts in steps that nobody knows")
    if isinstance(end, int):
        return _made((fixed(-(-(end - start) // step)),))
    return _made((end._replace(factor=min(1 / step + 1 / SHORTEST, 1.0)),))


def matrix_product(call: Call) -> Made:
    """A product of matrices, of as many as broadcast."""
    left, right = call.operand(0).shape, call.operand(1).shape
    if min(len(left), len(right)) < 2:
        raise RefusedError("it multiplies what is no matrix")
    return _made((*broadcast([left[:-2], right[:-2]]), left[-2], right[-1]))


def product_in_blocks(call: Call) -> Made:
    """A product with a matrix that is stored in blocks; its width is an attribute."""
    return _made((*call.operand(0).shape[:-1], fixed(call.integer("N"))))


def attention(call: Call) -> Made:
    """Attention of queries [rows, n, width] to keys and values; every head needs a score for each pair."""
    query, key, value = (call.operand(index).shape for index in range(3))
    heads = {call.integer(name) for name in call.attributes if name.endswith("num_heads")}
    # A fifth input would be keys of earlier calls.
    if sum(one is not None for one in call.inputs) > 4 or len(heads) != 1 or {len(query), len(key), len(value)} != {3}:
        raise RefusedError("its heads or its tensors are not a router's")
    rows = larger(larger(query[0], key[0]), value[0])
    return Made((Operand((rows, query[1], value[2])),), (rows, fixed(heads.pop()), query[1], key[1]))
