"""The forward pass as numpy values, rounded to fp16 wherever the graph of `onnx_half` has a tensor in fp16.

ONNX Runtime's CPU provider has no fp16 kernels for most operators: it computes them in fp32 and keeps only some of the
roundings between them. This keeps all of them. Sums within an operator are fp32, as on a GPU.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vibe_router_export.checkpoint.config import Pooling
from vibe_router_export.checkpoint.weights import Linear, ModernBertWeights, Parameter
from vibe_router_export.emit.numpy.values import NumpyOperations, Values
from vibe_router_export.modernbert import forward


def evaluate_half(
    weights: ModernBertWeights, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]
) -> Values:
    """Return the logits, float32 [batch]; arguments as `numpy_values.evaluate`. What overflows becomes infinite."""
    operations = NumpyHalfOperations(weights.config, input_ids, attention_mask.astype(bool))
    with np.errstate(over="ignore", invalid="ignore"):
        return forward(operations, weights).logits[:, 0]


@dataclass(frozen=True)
class NumpyHalfOperations(NumpyOperations):
    """Operations on float32 arrays; those before `pool`, but norms and sums, hold numbers of fp16 alone."""

    pooled: list[bool] = field(default_factory=list)

    def embed(self, table: Parameter) -> Values:
        return _rounded(super().embed(table))

    def linear(self, x: Values, layer: Linear) -> Values:
        if self.pooled:
            return super().linear(x, layer)
        product = _rounded(_rounded(x) @ _rounded(layer.weight.value).T)
        return product if layer.bias is None else _rounded(product + _rounded(layer.bias.value))

    def rotate(self, x: Values, theta: float) -> Values:
        return _rounded(super().rotate(x, theta))

    def attention(self, query: Values, key: Values, value: Values, *, window: int | None, scale: float) -> Values:
        return _rounded(super().attention(query, key, value, window=window, scale=scale))

    def gelu(self, x: Values) -> Values:
        return super().gelu(x) if self.pooled else _rounded(super().gelu(x))

    def multiply(self, a: Values, b: Values) -> Values:
        return _rounded(super().multiply(a, b))

    def pool(self, x: Values, pooling: Pooling) -> Values:
        self.pooled.append(True)
        return super().pool(x, pooling)


def _rounded(x: Values) -> Values:
    halves: Values = x.astype(np.float16).astype(np.float32)
    return halves
