"""Attention as ONNX nodes: three ways to the same result, of which the graph takes the cheapest for its input.

1. *Plain*: no token is padding and every token may see every other. ONNX Runtime's kernel for the CPU is then a flash
   attention (Dao et al. 2022, arXiv:2205.14135), which it is not with any mask.
2. *Masked*: padding and what lies outside the window get a score that softmax turns into zero.
3. *Blocks*: in a long sequence each block of queries is given the keys of its neighbourhood alone, and blocks stand
   beside each other as if they were a batch. With a window of 64 to either side a query then meets 192 keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from onnx import TensorProto

from vibe_router_export.emit.onnx_nodes import MICROSOFT, Nodes

BLOCK = 64
"""Queries of a block."""
BLOCKS_FROM = 5 * BLOCK
"""Tokens from which on blocks are faster than a mask: by a fifth at 320 of them, by half at 512."""
# Added to attention scores that must not count. Finite, so that a row in which everything is masked (padding seen
# from padding) gives numbers that nobody reads instead of NaN.
_MASKED = -1e30


@dataclass(frozen=True)
class _Window:
    """What the layers of one window share, by name.

    `plain` and `in_blocks` say which way is taken. `bias` is added to the scores: [batch, 1, sequence, sequence], or
    [batch * blocks, 1, BLOCK, keys] in blocks. `queries` [blocks, BLOCK] and `keys` [blocks, BLOCK + 2 * window] are
    the positions that each block takes. What the way that is taken does not need is empty.
    """

    plain: str
    in_blocks: str
    bias: str
    queries: str
    keys: str


@dataclass(frozen=True)
class AttentionNodes:
    """Appends attention to a graph whose inputs are `input_ids` and `attention_mask`, int64 [batch, sequence]."""

    nodes: Nodes
    heads: int
    hidden_size: int
    windows: dict[int, _Window] = field(default_factory=dict)

    def append(self, query: str, key: str, value: str, *, window: int | None, scale: float) -> str:
        """Append one layer's attention; inputs and result float32 [batch, sequence, hidden_size]."""
        inputs = (query, key, value)

        def attend(*, padding: str = "", bias: str = "") -> list[str]:
            return [self._attend(inputs, scale, padding=padding, bias=bias)]

        if window is None:
            padding = self.nodes.once(
                "padding", lambda: self.nodes.add("Cast", ["attention_mask"], to=TensorProto.INT32)
            )
            (attended,) = self.nodes.choose(self._unpadded(), attend, lambda: attend(padding=padding))
            return attended
        if window not in self.windows:
            self.windows[window] = self._choose_way(window)
        shared = self.windows[window]
        (attended,) = self.nodes.choose(
            shared.plain,
            attend,
            lambda: self.nodes.choose(
                shared.in_blocks,
                lambda: [self._attend_in_blocks(inputs, shared, window, scale)],
                lambda: attend(bias=shared.bias),
            ),
        )
        return attended

    def _attend(self, inputs: Sequence[str], scale: float, *, padding: str = "", bias: str = "") -> str:
        no_projection_bias = ""
        return self.nodes.add(
            "MultiHeadAttention",
            [*inputs, no_projection_bias, padding, bias],
            domain=MICROSOFT,
            num_heads=self.heads,
            mask_filter_value=_MASKED,
            scale=scale,
        )

    def _attend_in_blocks(self, inputs: Sequence[str], shared: _Window, window: int, scale: float) -> str:
        query, *keys_and_values = inputs
        cut = [self._cut(query, shared.queries, BLOCK)]
        cut += [self._cut(x, shared.keys, BLOCK + 2 * window) for x in keys_and_values]
        attended = self._attend(cut, scale, bias=shared.bias)
        # Back to [batch, blocks * BLOCK, hidden_size], then without what fills up the last block.
        batch = self.nodes.add("Shape", ["input_ids"], start=0, end=1)
        shape = self.nodes.add("Concat", [batch, self._integers(-1), self._integers(self.hidden_size)], axis=0)
        whole = self.nodes.add("Reshape", [attended, shape])
        return self.nodes.add("Slice", [whole, self._integers(0), self._length(), self._integers(1)])

    def _cut(self, x: str, positions: str, length: int) -> str:
        """Return [batch * blocks, length, hidden_size] of x [batch, sequence, hidden_size]."""
        blocks = self.nodes.add("Gather", [x, positions], axis=1)
        return self.nodes.add("Reshape", [blocks, self._integers(-1, length, self.hidden_size)])

    def _choose_way(self, window: int) -> _Window:
        """Decide for the layers of this window, and make what they share."""
        add, length = self.nodes.add, self._length()
        sees_all = add("LessOrEqual", [length, self._integers(window + 1)])
        plain = add("And", [self._unpadded(), sees_all])
        in_blocks = add("GreaterOrEqual", [length, self._integers(BLOCKS_FROM)])

        def nothing() -> list[str]:
            none = self.nodes.constant("none", np.zeros((1, 1, 1, 1), np.float32))
            return [add("Identity", [none]), *(add("Identity", [self._integers(0)]) for _ in range(2))]

        def mask() -> list[str]:
            return [self._mask(window), *nothing()[1:]]

        bias, queries, keys = self.nodes.choose(
            plain,
            nothing,
            lambda: self.nodes.choose(in_blocks, lambda: self._blocks(window), mask, kinds=_SHARED),
            kinds=_SHARED,
        )
        return _Window(plain, in_blocks, bias, queries, keys)

    def _mask(self, window: int) -> str:
        """Return [batch, 1, sequence, sequence]: what is added to scores where |i - j| > window or j is padding."""
        add = self.nodes.add
        position = self._range(1)
        column = add("Unsqueeze", [position, self._integers(1)])
        distance = add("Abs", [add("Sub", [column, position])])
        outside = add("Greater", [distance, self._integers(window)])
        padded = add("Unsqueeze", [add("Equal", ["attention_mask", self._integers(0)]), self._integers(1, 2)])
        return self._bias(add("Or", [outside, padded]))

    def _blocks(self, window: int) -> list[str]:
        """Return bias, queries and keys of `_Window`, in blocks."""
        add = self.nodes.add
        size = BLOCK + 2 * window
        start = add("Unsqueeze", [self._range(BLOCK), self._integers(1)])
        last = add("Sub", [self._length(), self._integers(1)])
        query = np.arange(BLOCK)
        key = np.arange(-window, BLOCK + window)
        # Positions outside the sequence take a token inside; as keys they are masked, as queries cut off again.
        queries = add("Min", [add("Add", [start, self.nodes.constant("block.queries", query)]), last])
        wanted = add("Add", [start, self.nodes.constant(f"block.keys.{window}", key)])
        keys = add("Min", [add("Max", [wanted, self._integers(0)]), last])
        beyond = add("Not", [add("Equal", [wanted, keys])])
        padded = add("Equal", [add("Gather", ["attention_mask", keys], axis=1), self._integers(0)])
        absent = add("Unsqueeze", [add("Or", [padded, beyond]), self._integers(2)])
        outside = self.nodes.constant(f"block.outside.{window}", np.abs(query[:, None] - key[None, :]) > window)
        bias = add("Reshape", [self._bias(add("Or", [absent, outside])), self._integers(-1, 1, BLOCK, size)])
        return [bias, queries, keys]

    def _bias(self, masked: str) -> str:
        score = self.nodes.constant("masked", np.array(_MASKED, np.float32))
        return self.nodes.add("Where", [masked, score, self.nodes.constant("unmasked", np.array(0, np.float32))])

    def _range(self, step: int) -> str:
        """Return 0, step, 2 step... below the sequence's length."""
        add = self.nodes.add
        ends = (self.nodes.constant("zero", np.array(0)), add("Squeeze", [self._length()]))
        return add("Range", [*ends, self.nodes.constant(f"step.{step}", np.array(step))])

    def _length(self) -> str:
        return self.nodes.once("length", lambda: self.nodes.add("Shape", ["input_ids"], start=1, end=2))

    def _unpadded(self) -> str:
        def smallest() -> str:
            return self.nodes.add("Cast", [self.nodes.add("ReduceMin", ["attention_mask"])], to=TensorProto.BOOL)

        return self.nodes.once("unpadded", smallest)

    def _integers(self, *values: int) -> str:
        return self.nodes.constant(f"integers.{'.'.join(map(str, values))}", np.array(values))


_SHARED = (TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT64)
