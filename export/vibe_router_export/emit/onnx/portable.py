"""The forward pass as an ONNX graph that other people's software loads.

Nothing but primitive operators of ONNX 17, no branches and no operators of `com.microsoft`, so that old versions of
ONNX Runtime, OpenVINO, browsers and the compilers of phones take it. Constants of more than a page have the same names
and values as in the fast graph, so that both graphs share one file of weights.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from onnx import TensorProto

from vibe_router_export.checkpoint.weights import LayerNorm, ModernBertWeights, Parameter
from vibe_router_export.emit.onnx.graph import OnnxGraph, OnnxOperations, emit
from vibe_router_export.emit.quantize import ALL_FP32, INT8_BLOCK, MatrixFormat, PrecisionPlan, int8_blocks, int8_rows
from vibe_router_export.emit.rope import rope_tables

# Added to attention scores that must not count; finite, so that rows of padding give numbers that nobody reads.
_MASKED = -1e30
_INT8_ZERO = 128


def build_portable_onnx(weights: ModernBertWeights, *, max_tokens: int, plan: PrecisionPlan = ALL_FP32) -> OnnxGraph:
    """Emit the model; inputs, outputs and `plan` are those of `build_onnx`.

    Matrices in int4 are not supported: nothing before ONNX 21 has such tensors.
    """
    return emit(PortableOperations(weights.config, max_tokens, plan), weights)


@dataclass
class PortableOperations(OnnxOperations):
    """Operations in primitives. `tables` and `masks` are tensors that several layers share, by theta and by window."""

    opset: ClassVar[int] = 17
    ir_version: ClassVar[int] = 8

    tables: dict[float, tuple[str, str]] = field(default_factory=dict)
    masks: dict[int | None, str] = field(default_factory=dict)

    def layer_norm(self, x: str, norm: LayerNorm) -> str:
        hidden = self.config.hidden_size
        gain = norm.weight or Parameter("unit_gain", np.ones(hidden, np.float32))
        # Old versions of several consumers refuse a norm without a bias.
        bias = norm.bias or Parameter("no_bias", np.zeros(hidden, np.float32))
        inputs = [x, *(self._constant(parameter.name, parameter.value) for parameter in (gain, bias))]
        return self._node("LayerNormalization", inputs, axis=-1, epsilon=norm.epsilon)

    def centre(self, x: str) -> str:
        return self._node("Sub", [x, self._node("ReduceMean", [x], axes=[-1], keepdims=1)])

    def split(self, x: str, parts: int) -> tuple[str, ...]:
        # Query, key and value together, or the two halves of what an MLP's first product gives.
        return self._split(x, parts, self.config.hidden_size if parts == 3 else self.config.intermediate_size)

    def rotate(self, x: str, theta: float) -> str:
        if theta not in self.tables:
            self.tables[theta] = self._rope(theta)
        cosine, sine = self.tables[theta]
        first, second = self._split(self._by_head(x), 2, self.config.head_size // 2)
        left = self._node("Sub", [self.multiply(first, cosine), self.multiply(second, sine)])
        right = self.add(self.multiply(first, sine), self.multiply(second, cosine))
        return self._merged(self._node("Concat", [left, right], axis=-1))

    def attention(self, query: str, key: str, value: str, *, window: int | None, scale: float) -> str:
        if window not in self.masks:
            self.masks[window] = self._mask(window)
        queries, values = (self._node("Transpose", [self._by_head(x)], perm=[0, 2, 1, 3]) for x in (query, value))
        keys = self._node("Transpose", [self._by_head(key)], perm=[0, 2, 3, 1])
        scaled = self.multiply(queries, self._constant(f"scale.{scale!r}", np.array(scale, np.float32)))
        scores = self.add(self._node("MatMul", [scaled, keys]), self.masks[window])
        attended = self._node("MatMul", [self._node("Softmax", [scores], axis=-1), values])
        return self._merged(self._node("Transpose", [attended], perm=[0, 2, 1, 3]))

    def gelu(self, x: str) -> str:
        inside = self.multiply(x, self._constant("square_root_of_half", np.array(0.5**0.5, np.float32)))
        spread = self.add(self._node("Erf", [inside]), self._constant("one", np.array(1, np.float32)))
        return self.multiply(self.multiply(x, self._constant("half", np.array(0.5, np.float32))), spread)

    def _int8_product(self, x: str, weight: Parameter) -> str:
        """Multiply integers, in the pattern that ONNX Runtime fuses into one operator."""
        rows = int8_rows(weight.value)
        values = self._constant(f"{weight.name}.int8", rows.values.T)
        scales = self._constant(f"{weight.name}.scales", rows.scales)
        rounded, scale, zero = self.nodes.add_with_outputs("DynamicQuantizeLinear", [x], 3)
        product = self._node("MatMulInteger", [rounded, values, zero])
        return self.multiply(self._node("Cast", [product], to=TensorProto.FLOAT), self.multiply(scale, scales))

    def _product_in_blocks(self, x: str, weight: Parameter, matrix_format: MatrixFormat) -> str:
        """Multiply by the float matrix that is left of int8 in blocks."""
        if matrix_format is not MatrixFormat.INT8_BLOCKS:
            raise ValueError(f"a portable graph has no matrices in {matrix_format.value}")
        outputs, inputs = weight.value.shape
        blocks = int8_blocks(weight.value)
        values = self._node("Cast", [self._constant(f"{weight.name}.int8", blocks.values)], to=TensorProto.FLOAT)
        signed = self._node("Sub", [values, self._constant("int8.zero", np.array(_INT8_ZERO, np.float32))])
        # The same bytes as in the fast graph, which wants the scales in one row.
        flat = self._constant(f"{weight.name}.scales", blocks.scales.reshape(-1))
        scales = self._node("Reshape", [flat, self._integers(outputs, -1, 1)])
        padded = self._node("Reshape", [self.multiply(signed, scales), self._integers(outputs, -1)])
        if inputs % INT8_BLOCK:
            padded = self._node("Slice", [padded, self._integers(0), self._integers(inputs), self._integers(1)])
        return self._node("MatMul", [x, self._node("Transpose", [padded], perm=[1, 0])])

    def _rope(self, theta: float) -> tuple[str, str]:
        """Return cosine and sine of the sequence's positions, float32 [1, sequence, 1, head_size / 2]."""
        names = (f"rope.cosine.{theta!r}", f"rope.sine.{theta!r}")
        cut = []
        for name, table in zip(names, rope_tables(self.max_tokens, self.config.head_size, theta), strict=True):
            limits = [self._integers(0), self._length(), self._integers(0)]
            rows = self._node("Slice", [self._constant(name, table), *limits])
            cut.append(self._node("Unsqueeze", [rows, self._integers(0, 2)]))
        return cut[0], cut[1]

    def _mask(self, window: int | None) -> str:
        """Return what is added to scores, float32 [batch, 1, 1 or sequence, sequence]: padding and outside `window`."""
        if window is None:
            padded = self._node("Equal", ["attention_mask", self._integer(0)])
            return self._bias(self._node("Unsqueeze", [padded, self._integers(1, 2)]))
        if None not in self.masks:
            self.masks[None] = self._mask(None)
        length = self._node("Squeeze", [self._length()])
        position = self._node("Range", [self._integer(0), length, self._integer(1)])
        column = self._node("Unsqueeze", [position, self._integers(1)])
        distance = self._node("Abs", [self._node("Sub", [column, position])])
        outside = self._bias(self._node("Greater", [distance, self._integer(window)]))
        return self._node("Min", [outside, self.masks[None]])

    def _bias(self, masked: str) -> str:
        values = (self._constant(name, np.array(value, np.float32)) for name, value in _BIASES)
        return self._node("Where", [masked, *values])

    def _split(self, x: str, parts: int, width: int) -> tuple[str, ...]:
        # With their widths: where those are left out, the WebGPU provider of ONNX Runtime 1.22 makes empty tensors.
        return tuple(self.nodes.add_with_outputs("Split", [x, self._integers(*[width] * parts)], parts, axis=-1))

    def _length(self) -> str:
        return self.nodes.once("length", lambda: self.nodes.add("Shape", ["input_ids"], start=1, end=2))

    def _by_head(self, x: str) -> str:
        """Return [batch, sequence, heads, head_size] of x [batch, sequence, hidden]."""
        return self._node("Reshape", [x, self._integers(0, 0, self.config.heads, self.config.head_size)])

    def _merged(self, x: str) -> str:
        return self._node("Reshape", [x, self._integers(0, 0, self.config.hidden_size)])

    def _integer(self, value: int) -> str:
        return self._constant(f"integer.{value}", np.array(value))

    def _integers(self, *values: int) -> str:
        return self._constant(f"integers.{'.'.join(map(str, values))}", np.array(values))


_BIASES = (("masked", _MASKED), ("unmasked", 0.0))
