"""The operators of a router's ONNX graphs."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

OPERATORS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "": frozenset(
            {
                "Abs",
                "Add",
                "And",
                "Attention",
                "Cast",
                "Concat",
                "CumSum",
                "Div",
                "DynamicQuantizeLinear",
                "Equal",
                "Erf",
                "Expand",
                "Gather",
                "Greater",
                "GreaterOrEqual",
                "Identity",
                "If",
                "LayerNormalization",
                "MatMul",
                "MatMulInteger",
                "Max",
                "Min",
                "Mul",
                "Not",
                "Or",
                "Range",
                "ReduceMean",
                "ReduceMin",
                "ReduceSum",
                "Reshape",
                "Shape",
                "Sigmoid",
                "Slice",
                "Softmax",
                "Split",
                "Squeeze",
                "Sub",
                "Transpose",
                "Unsqueeze",
                "Where",
            }
        ),
        "com.microsoft": frozenset(
            {
                "DynamicQuantizeMatMul",
                "Gelu",
                "MatMulNBits",
                "MultiHeadAttention",
                "RotaryEmbedding",
                "SkipSimplifiedLayerNormalization",
            }
        ),
    }
)
"""By domain, every operator that the exporter emits, in any precision, and no other."""
