"""The forward pass as an ONNX graph of few, fused operators: the fast graph, which the runtime takes.

Rotary embedding, attention and GELU are operators of the `com.microsoft` domain, which ONNX Runtime implements as
single kernels on CPU and CUDA and which no exporter emits from a traced ModernBERT.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto

from vibe_router_export.checkpoint.config import ModernBertConfig, Pooling
from vibe_router_export.checkpoint.weights import LayerNorm, Linear, ModernBertWeights, Parameter
from vibe_router_export.emit.onnx.attention import AttentionNodes
from vibe_router_export.emit.onnx.nodes import MICROSOFT, Nodes
from vibe_router_export.emit.quantize import (
    ALL_FP32,
    INT4_BLOCK,
    INT8_BLOCK,
    MatrixFormat,
    PrecisionPlan,
    int4_blocks,
    int8_blocks,
    int8_rows,
)
from vibe_router_export.emit.rope import rope_tables
from vibe_router_export.modernbert import forward

# MatMulNBits's accuracy_level: `x` is rounded to int8, each block of each token with a scale of its own, so that
# products are of integers.
_INT8_PRODUCTS = 4


@dataclass(frozen=True)
class OnnxGraph:
    """Nodes in order, and the constants that they name. Constants stay arrays until the file is written.

    `opset` is the version of ONNX's own operators that the nodes are of, `ir_version` that of the file's format.
    """

    nodes: list[NodeProto]
    constants: dict[str, NDArray[np.generic]]
    opset: int
    ir_version: int

    @property
    def is_fused(self) -> bool:
        """Whether it has operators of ONNX Runtime's own domain."""
        return any(node.domain == MICROSOFT for node in self.nodes)


def build_onnx(weights: ModernBertWeights, *, max_tokens: int, plan: PrecisionPlan = ALL_FP32) -> OnnxGraph:
    """Emit the model, each matrix in the precision that `plan` gives it.

    Inputs: `input_ids` and `attention_mask` (1 token, 0 padding), int64 [batch, sequence], sequence at most
    `max_tokens`. Outputs: `logits` and `p_cloud` = sigmoid(logits), float32 [batch, 1].
    """
    return emit(OnnxOperations(weights.config, max_tokens, plan), weights)


def emit(operations: OnnxOperations, weights: ModernBertWeights) -> OnnxGraph:
    """Run the forward pass over `operations`, which must be fresh, and name its outputs."""
    scores = forward(operations, weights)
    operations.rename(scores.logits, "logits")
    operations.rename(scores.p_cloud, "p_cloud")
    return OnnxGraph(operations.nodes.nodes, operations.nodes.constants, operations.opset, operations.ir_version)


@dataclass
class OnnxOperations:
    """Operations that append nodes; a tensor is the name of a node's output."""

    # The first with Attention.
    opset: ClassVar[int] = 23
    ir_version: ClassVar[int] = 11

    config: ModernBertConfig
    max_tokens: int
    plan: PrecisionPlan
    nodes: Nodes = field(default_factory=Nodes)

    def __post_init__(self) -> None:
        self._attention = AttentionNodes(self.nodes, self.config.heads, self.config.hidden_size, self.max_tokens)

    def embed(self, table: Parameter) -> str:
        if self._format(table) is MatrixFormat.FP32:
            return self._node("Gather", [self._constant(table.name, table.value), "input_ids"])
        rows = int8_rows(table.value)
        values = self._node("Gather", [self._constant(f"{table.name}.int8", rows.values), "input_ids"])
        scales = self._node("Gather", [self._constant(f"{table.name}.scales", rows.scales[:, None]), "input_ids"])
        return self.multiply(self._node("Cast", [values], to=TensorProto.FLOAT), scales)

    def linear(self, x: str, layer: Linear) -> str:
        matrix_format = self._format(layer.weight)
        if matrix_format is MatrixFormat.INT8:
            product = self._int8_product(x, layer.weight)
        elif matrix_format is not MatrixFormat.FP32:
            product = self._product_in_blocks(x, layer.weight, matrix_format)
        else:
            product = self._node("MatMul", [x, self._constant(layer.weight.name, layer.weight.value.T)])
        if layer.bias is None:
            return product
        return self.add(product, self._constant(layer.bias.name, layer.bias.value))

    def layer_norm(self, x: str, norm: LayerNorm) -> str:
        gain = norm.weight or Parameter("unit_gain", np.ones(self.config.hidden_size, np.float32))
        inputs = [x, self._constant(gain.name, gain.value)]
        if norm.centred and norm.bias is None:
            # Only the residual is centred, and an addition to it has always just made `x`.
            return self.nodes.widen_last(
                "SkipSimplifiedLayerNormalization", x, inputs[1:], domain=MICROSOFT, epsilon=norm.epsilon
            )
        if norm.bias is not None:
            inputs.append(self._constant(norm.bias.name, norm.bias.value))
        return self._node("LayerNormalization", inputs, axis=-1, epsilon=norm.epsilon)

    def centre(self, x: str) -> str:
        last_axis = self._constant("axis.last", np.array([-1]))
        return self._node("Sub", [x, self._node("ReduceMean", [x, last_axis])])

    def split(self, x: str, parts: int) -> tuple[str, ...]:
        return tuple(self.nodes.add_with_outputs("Split", [x], parts, axis=-1, num_outputs=parts))

    def rotate(self, x: str, theta: float) -> str:
        cosine, sine = rope_tables(self.max_tokens, self.config.head_size, theta)
        start = self._constant("rope.first_position", np.zeros(1, np.int64))
        tables = [
            self._constant(f"rope.cosine.{theta!r}", cosine),
            self._constant(f"rope.sine.{theta!r}", sine),
        ]
        return self._node("RotaryEmbedding", [x, start, *tables], domain=MICROSOFT, num_heads=self.config.heads)

    def attention(self, query: str, key: str, value: str, *, window: int | None, scale: float) -> str:
        return self._attention.append(query, key, value, window=window, scale=scale)

    def gelu(self, x: str) -> str:
        return self._node("Gelu", [x], domain=MICROSOFT)

    def add(self, a: str, b: str) -> str:
        return self._node("Add", [a, b])

    def multiply(self, a: str, b: str) -> str:
        return self._node("Mul", [a, b])

    def pool(self, x: str, pooling: Pooling) -> str:
        if pooling is Pooling.CLS:
            return self._node("Gather", [x, self._constant("first_token", np.array(0))], axis=1)
        keep = self._node("Cast", ["attention_mask"], to=TensorProto.FLOAT)
        by_row = self._node("Unsqueeze", [keep, self._constant("axis.1", np.array([1]))])
        total = self._node("MatMul", [by_row, x])
        count = self._node("ReduceSum", [by_row, self._constant("axis.2", np.array([2]))])
        return self._node("Squeeze", [self._node("Div", [total, count]), self._constant("axis.1", np.array([1]))])

    def sigmoid(self, x: str) -> str:
        return self._node("Sigmoid", [x])

    def rename(self, output: str, name: str) -> None:
        """Give a node's output the name it has in the model's interface."""
        for node in self.nodes.nodes:
            for names in (node.input, node.output):
                for index, existing in enumerate(names):
                    if existing == output:
                        names[index] = name

    def _format(self, parameter: Parameter) -> MatrixFormat:
        return self.plan.get(parameter.name, MatrixFormat.FP32)

    def _int8_product(self, x: str, weight: Parameter) -> str:
        """Multiply integers: `x` is rounded to uint8 as it comes, with one scale for the whole tensor."""
        rows = int8_rows(weight.value)
        values = self._constant(f"{weight.name}.int8", rows.values.T)
        scales = self._constant(f"{weight.name}.scales", rows.scales)
        return self._node("DynamicQuantizeMatMul", [x, values, scales], domain=MICROSOFT)

    def _product_in_blocks(self, x: str, weight: Parameter, matrix_format: MatrixFormat) -> str:
        values: NDArray[np.uint8]
        if matrix_format is MatrixFormat.INT4:
            four = int4_blocks(weight.value)
            bits, block, values, scales = 4, INT4_BLOCK, four.packed, four.scales
        else:
            eight = int8_blocks(weight.value)
            bits, block, values, scales = 8, INT8_BLOCK, eight.values, eight.scales
        outputs, inputs = weight.value.shape
        return self._node(
            "MatMulNBits",
            [
                x,
                self._constant(f"{weight.name}.int{bits}", values),
                self._constant(f"{weight.name}.scales", scales.reshape(-1)),
            ],
            domain=MICROSOFT,
            K=inputs,
            N=outputs,
            bits=bits,
            block_size=block,
            accuracy_level=_INT8_PRODUCTS,
        )

    def _constant(self, name: str, value: NDArray[np.generic]) -> str:
        return self.nodes.constant(name, value)

    def _node(
        self, kind: str, inputs: Sequence[str], *, domain: str = "", **attributes: int | float | Sequence[int]
    ) -> str:
        return self.nodes.add(kind, inputs, domain=domain, **attributes)
