"""Attention as ONNX nodes: three ways to the same result, of which the graph takes the cheapest for its input.

1. *Masked*: padding and what lies outside the window get a score that softmax turns into zero.
2. *Blocks*: in a long sequence each block of queries is given the keys of its neighbourhood alone, and blocks stand
   next to each other as if they were a batch. With a window of 64 to either side a query then meets 192 keys.
3. *Flash* (Dao et al. 2022, arXiv:2205.14135): in a very long sequence without padding, in layers without a window. It
   never holds all scores at once. Without a mask ONNX Runtime's `MultiHeadAttention` is that on a CPU.

The first two are ONNX's `Attention`. To choose costs every prompt some microseconds a layer, so a graph has no choice
between ways that the sequences it accepts are too short for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from onnx import TensorProto

from vibe_router_export.emit.onnx.nodes import MICROSOFT, Nodes

BLOCK = 64
"""Queries of a block."""
VERY_LONG = 1024
"""Tokens from which on flash attention saves more than the choice costs, in time and in memory."""
# Added to attention scores that must not count. Finite, so that a row in which everything is masked (padding seen
# from padding) gives numbers that nobody reads instead of NaN.
_MASKED = -1e30


def blocks_from(window: int) -> int:
    """Return how many tokens a sequence has from which on blocks are faster than a mask; `window` to either side.

    Five for every three keys that a block meets, in whole blocks: a rule that fits where windows of 64 and 8 gain.
    """
    keys = BLOCK + 2 * window
    return max(2, 5 * keys // (3 * BLOCK)) * BLOCK


@dataclass(frozen=True)
class _Window:
    """What the layers of one window share, by name.

    `bias` is added to the scores: [batch, 1, sequence, sequence], or [batch * blocks, 1, BLOCK, keys] in blocks.
    `queries` [blocks, BLOCK] and `keys` [blocks, BLOCK + 2 * window] are the positions that each block takes; empty
    where the other way is taken.
    """

    bias: str
    queries: str
    keys: str


@dataclass(frozen=True)
class AttentionNodes:
    """Appends attention to a graph whose inputs are `input_ids` and `attention_mask`, int64 [batch, sequence].

    A sequence has at most `max_tokens`.
    """

    nodes: Nodes
    heads: int
    hidden_size: int
    max_tokens: int
    windows: dict[int, _Window] = field(default_factory=dict)

    def append(self, query: str, key: str, value: str, *, window: int | None, scale: float) -> str:
        """Append one layer's attention; inputs and result float32 [batch, sequence, hidden_size]."""
        inputs = (query, key, value)
        return self._append_global(inputs, scale) if window is None else self._append_local(inputs, window, scale)

    def _append_global(self, inputs: Sequence[str], scale: float) -> str:
        padding = self._padding_bias()
        if self.max_tokens < VERY_LONG:
            return self._attend(inputs, scale, padding)
        (attended,) = self.nodes.choose(
            self._very_long_and_unpadded(),
            lambda: [self._attend_flash(inputs, scale)],
            lambda: [self._attend(inputs, scale, padding)],
        )
        return attended

    def _append_local(self, inputs: Sequence[str], window: int, scale: float) -> str:
        if self.max_tokens < blocks_from(window):
            mask = self.nodes.once(f"mask {window}", lambda: self._mask(self._padding_bias(), window))
            return self._attend(inputs, scale, mask)
        if window not in self.windows:
            self.windows[window] = self._share(window)
        shared = self.windows[window]
        (attended,) = self.nodes.choose(
            self._at_least(blocks_from(window)),
            lambda: [self._attend_in_blocks(inputs, shared, window, scale)],
            lambda: [self._attend(inputs, scale, shared.bias)],
        )
        return attended

    def _attend(self, inputs: Sequence[str], scale: float, bias: str) -> str:
        return self.nodes.add(
            "Attention", [*inputs, bias], q_num_heads=self.heads, kv_num_heads=self.heads, scale=scale
        )

    def _attend_flash(self, inputs: Sequence[str], scale: float) -> str:
        return self.nodes.add("MultiHeadAttention", inputs, domain=MICROSOFT, num_heads=self.heads, scale=scale)

    def _attend_in_blocks(self, inputs: Sequence[str], shared: _Window, window: int, scale: float) -> str:
        query, *keys_and_values = inputs
        cut = [self._cut(query, shared.queries, BLOCK)]
        cut += [self._cut(x, shared.keys, BLOCK + 2 * window) for x in keys_and_values]
        attended = self._attend(cut, scale, shared.bias)
        # Back to [batch, blocks * BLOCK, hidden_size], then without what fills up the last block.
        batch = self.nodes.add("Shape", ["input_ids"], start=0, end=1)
        shape = self.nodes.add("Concat", [batch, self._integers(-1), self._integers(self.hidden_size)], axis=0)
        whole = self.nodes.add("Reshape", [attended, shape])
        return self.nodes.add("Slice", [whole, self._integers(0), self._length(), self._integers(1)])

    def _cut(self, x: str, positions: str, length: int) -> str:
        """Return [batch * blocks, length, hidden_size] of x [batch, sequence, hidden_size]."""
        blocks = self.nodes.add("Gather", [x, positions], axis=1)
        return self.nodes.add("Reshape", [blocks, self._integers(-1, length, self.hidden_size)])

    def _share(self, window: int) -> _Window:
        """Append what the layers of this window share."""
        padding = self._padding_bias()

        def masked() -> list[str]:
            return [self._mask(padding, window), *(self.nodes.add("Identity", [self._integers(0)]) for _ in range(2))]

        bias, queries, keys = self.nodes.choose(
            self._at_least(blocks_from(window)), lambda: self._blocks(window), masked, kinds=_SHARED
        )
        return _Window(bias, queries, keys)

    def _padding_bias(self) -> str:
        """Return [batch, 1, sequence, sequence]: what is added to scores where j is padding."""

        def bias() -> str:
            padded = self.nodes.add("Equal", ["attention_mask", self._integers(0)])
            row = self.nodes.add("Unsqueeze", [self._bias(padded), self._integers(1, 2)])
            shape = self.nodes.add("Concat", [self._integers(1, 1), self._length(), self._integers(1)], axis=0)
            return self.nodes.add("Expand", [row, shape])

        return self.nodes.once("padding bias", bias)

    def _mask(self, padding: str, window: int) -> str:
        """Return [batch, 1, sequence, sequence]: what is added to scores where |i - j| > window or j is padding."""
        add = self.nodes.add
        position = self._range(1)
        column = add("Unsqueeze", [position, self._integers(1)])
        distance = add("Abs", [add("Sub", [column, position])])
        outside = add("Greater", [distance, self._integers(window)])
        return add("Min", [self._bias(outside), padding])

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

    def _at_least(self, tokens: int) -> str:
        return self.nodes.once(
            f"at least {tokens}",
            lambda: self.nodes.add("GreaterOrEqual", [self._length(), self._integers(tokens)]),
        )

    def _very_long_and_unpadded(self) -> str:
        def both() -> str:
            smallest = self.nodes.add("Cast", [self.nodes.add("ReduceMin", ["attention_mask"])], to=TensorProto.BOOL)
            return self.nodes.add("And", [smallest, self._at_least(VERY_LONG)])

        return self.nodes.once("very long and unpadded", both)

    def _integers(self, *values: int) -> str:
        return self.nodes.constant(f"integers.{'.'.join(map(str, values))}", np.array(values))


_SHARED = (TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT64)
