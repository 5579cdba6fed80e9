"""The forward pass as an ONNX graph in fp16, made for the CUDA execution provider.

Matrix products and attention are fp16. The residual stream and its norms are fp32: they cost little, massive
activations do not fit fp16, and ONNX Runtime fuses an addition with the norm that follows into a kernel that computes
means of squares in the type of its input, where fp16 loses small values to zero. The head, one row a prompt, is fp32.

Nothing in the graph asks for a shape or branches. Such nodes run on the CPU, which a session that forbids the CPU
refuses and a CUDA graph cannot capture.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from vibe_router_export.checkpoint.config import Pooling
from vibe_router_export.checkpoint.weights import Linear, ModernBertWeights, Parameter
from vibe_router_export.emit.onnx.graph import OnnxGraph, OnnxOperations, emit
from vibe_router_export.emit.onnx.nodes import MICROSOFT
from vibe_router_export.emit.quantize import ALL_FP32
from vibe_router_export.emit.rope import rope_tables

# Added to attention scores that must not count. The sum with any score is a number of fp16, and its exp is 0.
_MASKED = -3e4


def build_half_precision_onnx(weights: ModernBertWeights, *, max_tokens: int) -> OnnxGraph:
    """Emit the model; inputs and outputs are those of `build_onnx`.

    `weights` should have gone through `fold_for_half_precision`. An embedding norm that is left is computed in fp32.
    """
    return emit(HalfPrecisionOperations(weights.config, max_tokens, ALL_FP32), weights)


@dataclass
class HalfPrecisionOperations(OnnxOperations):
    """`halves` are the names of the tensors in fp16; all others are fp32."""

    # Nothing here is newer, and the CUDA provider follows new versions of old operators later than the CPU's.
    opset: ClassVar[int] = 20

    halves: set[str] = field(default_factory=set)
    biases: dict[int | None, str] = field(default_factory=dict)
    pooled: bool = False

    def embed(self, table: Parameter) -> str:
        return self._single(self._half("Gather", [self._half_constant(table.name, table.value), "input_ids"]))

    def linear(self, x: str, layer: Linear) -> str:
        if self.pooled:
            return super().linear(x, layer)
        if x not in self.halves:
            x = self._half("Cast", [x], to=TensorProto.FLOAT16)
        product = self._half("MatMul", [x, self._half_constant(layer.weight.name, layer.weight.value.T)])
        if layer.bias is None:
            return product
        return self._half("Add", [product, self._half_constant(layer.bias.name, layer.bias.value)])

    def split(self, x: str, parts: int) -> tuple[str, ...]:
        outputs = super().split(x, parts)
        self.halves.update(outputs)
        return outputs

    def rotate(self, x: str, theta: float) -> str:
        tables = rope_tables(self.max_tokens, self.config.head_size, theta)
        names = (f"rope.cosine.{theta!r}", f"rope.sine.{theta!r}")
        cosine, sine = (self._half_constant(name, table) for name, table in zip(names, tables, strict=True))
        start = self._constant("rope.first_position", np.zeros(1, np.int64))
        inputs = [x, start, cosine, sine]
        return self._half("RotaryEmbedding", inputs, domain=MICROSOFT, num_heads=self.config.heads)

    def attention(self, query: str, key: str, value: str, *, window: int | None, scale: float) -> str:
        if window not in self.biases:
            self.biases[window] = self._attention_bias(window)
        no_projection_bias, no_padding_mask = "", ""
        inputs = [query, key, value, no_projection_bias, no_padding_mask, self.biases[window]]
        return self._half("MultiHeadAttention", inputs, domain=MICROSOFT, num_heads=self.config.heads, scale=scale)

    def gelu(self, x: str) -> str:
        return super().gelu(x) if self.pooled else self._half("Gelu", [x], domain=MICROSOFT)

    def add(self, a: str, b: str) -> str:
        return super().add(self._single(a), self._single(b))

    def multiply(self, a: str, b: str) -> str:
        return self._half("Mul", [a, b])

    def pool(self, x: str, pooling: Pooling) -> str:
        self.pooled = True
        return super().pool(x, pooling)

    def _attention_bias(self, window: int | None) -> str:
        """[batch, 1, sequence, sequence]: 0 where j is not padding and |i - j| <= window, else `_MASKED`.

        One input for both, and none for padding: with a padding mask ONNX Runtime's CUDA attention is not fused.
        """
        position = self._positions()
        padded = self._node("Equal", ["attention_mask", self._constant("padding", np.array(0))])
        padded = self._node("Unsqueeze", [padded, self._axes(1, 2)])
        row, column = (self._node("Unsqueeze", [position, self._axes(axis)]) for axis in (2, 1))
        distance = self._node("Abs", [self._node("Sub", [row, column])])
        # No distance is greater than infinity, but the comparison gives the shape.
        furthest = np.array(np.inf if window is None else window, np.float32)
        outside = self._node("Greater", [distance, self._constant(f"window.{window}", furthest)])
        outside = self._node("Unsqueeze", [outside, self._axes(1)])
        masked = self._node("Or", [outside, padded])
        values = [self._half_constant(name, np.array(value)) for name, value in (("masked", _MASKED), ("seen", 0.0))]
        return self._half("Where", [masked, *values])

    def _positions(self) -> str:
        """Return 1, 2, 3... for each row, float32 [batch, sequence], without asking for a shape."""
        mask = self._node("Cast", ["attention_mask"], to=TensorProto.FLOAT)
        zeros = self._node("Mul", [mask, self._constant("zero", np.array(0, np.float32))])
        ones = self._node("Add", [zeros, self._constant("one", np.array(1, np.float32))])
        return self._node("CumSum", [ones, self._constant("axis.of.tokens", np.array(1))])

    def _axes(self, *axes: int) -> str:
        return self._constant(f"axes.{'.'.join(map(str, axes))}", np.array(axes))

    def _single(self, x: str) -> str:
        return self._node("Cast", [x], to=TensorProto.FLOAT) if x in self.halves else x

    def _half(self, kind: str, inputs: list[str], *, domain: str = "", **attributes: int | float) -> str:
        output = self._node(kind, inputs, domain=domain, **attributes)
        self.halves.add(output)
        return output

    def _half_constant(self, name: str, value: NDArray[np.floating]) -> str:
        # What does not fit becomes infinite, and the gate finds it.
        with np.errstate(over="ignore"):
            return self._constant(f"{name}.fp16", value.astype(np.float16))
