"""Operations of a Core ML program (MIL) that do not depend on how activations lie in memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from coremltools.converters.mil import Builder as mb  # noqa: N813, as everybody calls it
from numpy.typing import NDArray

from vibe_router_export.checkpoint.config import ModernBertConfig
from vibe_router_export.checkpoint.weights import LayerNorm, Parameter
from vibe_router_export.choices import Precision
from vibe_router_export.emit.rope import rope_tables

Var = Any  # coremltools' variable of a program; the library is not typed
# Added to attention scores that must not count: exp(-10,000) is 0, and two of them together are finite in fp16.
_MASKED = -1e4
# Writes to the residual that are added up apart: about the square root of those of twenty-two layers.
_BLOCK = 8


@dataclass(frozen=True)
class Constants:
    """Weights in the precision of the program, converted once and shared by the programs of all lengths."""

    precision: Precision
    _values: dict[str, NDArray[np.generic]] = field(default_factory=dict)

    @property
    def dtype(self) -> type[np.generic]:
        """The numpy type of every float constant."""
        return np.float16 if self.precision is Precision.FP16 else np.float32

    def named(self, name: str, make: Callable[[], NDArray[np.float32]]) -> NDArray[np.generic]:
        """Return the constant of that name, made and rounded on first use."""
        if name not in self._values:
            # What is too large for fp16 becomes infinite, which the decision gate sees in the scores.
            with np.errstate(over="ignore"):
                self._values[name] = make().astype(self.dtype)
        return self._values[name]


@dataclass(frozen=True)
class Residual:
    """The residual as it stands, `total` = `base` + `written`; so many `writes` came since the block began."""

    total: Var
    base: Var
    written: Var
    writes: int


@dataclass
class MilOperations(ABC):
    """What both layouts share; a tensor is a variable of the program that is being built."""

    config: ModernBertConfig
    tokens: int
    constants: Constants
    input_ids: Var
    _cached: dict[str, Var] = field(default_factory=dict)
    _residual: Residual | None = None

    channel_axis = -1

    @property
    @abstractmethod
    def key_axis(self) -> int:
        """The axis of attention scores, of four, that runs over keys."""

    def layer_norm(self, x: Var, norm: LayerNorm) -> Var:
        gain_and_bias = {
            name: self.constant(parameter.name, parameter.value)
            for name, parameter in (("gamma", norm.weight), ("beta", norm.bias))
            if parameter is not None
        }
        # Where the residual is scaled down, epsilon rounds to 0 in fp16. The smallest number above it, 6e-8, would be
        # a percent of a scaled variance.
        epsilon = self.scalar(norm.epsilon)
        return mb.layer_norm(x=x, axes=[self.channel_axis], epsilon=epsilon, **gain_and_bias)

    def centre(self, x: Var) -> Var:
        return mb.sub(x=x, y=mb.reduce_mean(x=x, axes=[self.channel_axis], keep_dims=True))

    def split(self, x: Var, parts: int) -> tuple[Var, ...]:
        return tuple(mb.split(x=x, num_splits=parts, axis=self.channel_axis))

    def gelu(self, x: Var) -> Var:
        return mb.gelu(x=x, mode="EXACT")

    def add(self, a: Var, b: Var) -> Var:
        """Add what is written to the residual, `a`: first to what was written since the block began.

        fp16 rounds a sum by a share of its size. What a few layers write is smaller than the residual, so adding it up
        apart rounds less, and the residual itself is rounded for good once a block (Higham 1993, "The accuracy of
        floating point summation").
        """
        residual = self._residual
        if residual is None or residual.total is not a or residual.writes == _BLOCK:
            residual = Residual(total=a, base=a, written=None, writes=0)
        written = b if residual.written is None else mb.add(x=residual.written, y=b)
        total = mb.add(x=residual.base, y=written)
        self._residual = Residual(total=total, base=residual.base, written=written, writes=residual.writes + 1)
        return total

    def multiply(self, a: Var, b: Var) -> Var:
        return mb.mul(x=a, y=b)

    def sigmoid(self, x: Var) -> Var:
        return mb.sigmoid(x=x)

    def rotate_halves(self, x: Var, theta: float, *, axis: int, transposed: bool) -> Var:
        """x cos + (second half, first half) sin, the sign of rotation being part of the sine table."""

        def table(name: str, pair: Callable[[], list[NDArray[np.float32]]]) -> Var:
            def make() -> NDArray[np.float32]:
                both = np.concatenate(pair(), axis=-1)
                return both.T[None, None] if transposed else both[None, None]

            return self._once(name, lambda: mb.const(val=self.constants.named(f"{name}_{self.tokens}", make)))

        cosine, sine = rope_tables(self.tokens, self.config.head_size, theta)
        # As a name in a Core ML program may be.
        name = f"{theta!r}".replace(".", "_")
        cosines = table(f"rope_cosine_{name}", lambda: [cosine, cosine])
        sines = table(f"rope_sine_{name}", lambda: [-sine, sine])
        first, second = mb.split(x=x, num_splits=2, axis=axis)
        swapped = mb.concat(values=[second, first], axis=axis)
        return mb.add(x=mb.mul(x=x, y=cosines), y=mb.mul(x=swapped, y=sines))

    def mask(self, window: int | None) -> Var:
        """What is added to scores, made once a kind of layer; a window as long as the program is no window."""
        if window is not None and self.tokens <= window + 1:
            window = None
        return self._once(f"mask_{window}", lambda: self._make_mask(window))

    def _make_mask(self, window: int | None) -> Var:
        minus = mb.mul(x=mb.sub(x=self._keep(), y=self.scalar(1.0)), y=self.scalar(-_MASKED))
        shape = [1, 1, 1, 1]
        shape[self.key_axis] = self.tokens
        padding = self._once("padding", lambda: mb.reshape(x=minus, shape=shape))
        if window is None:
            return padding
        position = np.arange(self.tokens)
        outside = np.abs(position[:, None] - position[None, :]) > window
        bias = np.where(outside, np.float32(_MASKED), np.float32(0))
        rank4 = bias[None, None] if self.key_axis == 3 else bias[None, :, None, :]
        constant = self.constants.named(f"window_{window}_{self.tokens}_{self.key_axis}", lambda: rank4)
        return mb.add(x=padding, y=constant)

    def _keep(self) -> Var:
        """1 for a token, 0 for padding: [1, tokens]."""

        def make() -> Var:
            is_token = mb.not_equal(x=self.input_ids, y=np.int32(self.config.pad_token_id))
            return mb.cast(x=is_token, dtype=self.constants.precision.value)

        return self._once("keep", make)

    def gather(self, table: Parameter) -> Var:
        return mb.gather(x=self.constant(table.name, table.value), indices=self.input_ids, axis=0)

    def mean(self, x: Var, keep_shape: Sequence[int], *, axis: int) -> Var:
        keep = mb.reshape(x=self._keep(), shape=keep_shape)
        total = mb.reduce_sum(x=mb.mul(x=x, y=keep), axes=[axis], keep_dims=True)
        return mb.real_div(x=total, y=mb.reduce_sum(x=keep, axes=[axis], keep_dims=True))

    def constant(self, name: str, value: NDArray[np.float32], shape: Sequence[int] | None = None) -> Var:
        plain = name.replace(".", "_")
        shaped = value if shape is None else value.reshape(shape)
        return self._once(plain, lambda: mb.const(val=self.constants.named(plain, lambda: shaped), name=plain))

    def scalar(self, value: float) -> Any:
        return self.constants.dtype(value)

    def _once(self, key: str, make: Callable[[], Var]) -> Var:
        if key not in self._cached:
            self._cached[key] = make()
        return self._cached[key]
