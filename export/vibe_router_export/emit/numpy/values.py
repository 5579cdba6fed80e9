"""The forward pass as numpy values: slow, obvious, and independent of every runtime that it checks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from vibe_router_export.checkpoint.config import ModernBertConfig, Pooling
from vibe_router_export.checkpoint.weights import LayerNorm, Linear, ModernBertWeights, Parameter
from vibe_router_export.emit.rope import rope_tables
from vibe_router_export.modernbert import forward

Values = NDArray[np.float32]


def evaluate(weights: ModernBertWeights, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> Values:
    """Return the logits, float32 [batch], of ids and mask of shape [batch, sequence]; mask 1 is a token, 0 padding."""
    operations = NumpyOperations(weights.config, input_ids, attention_mask.astype(bool))
    return forward(operations, weights).logits[:, 0]


@dataclass(frozen=True)
class NumpyOperations:
    """Operations that compute at once, in float32."""

    config: ModernBertConfig
    input_ids: NDArray[np.int64]
    keep: NDArray[np.bool_]

    def embed(self, table: Parameter) -> Values:
        rows: Values = table.value[self.input_ids]
        return rows

    def linear(self, x: Values, layer: Linear) -> Values:
        product: Values = x @ layer.weight.value.T
        return product if layer.bias is None else product + layer.bias.value

    def layer_norm(self, x: Values, norm: LayerNorm) -> Values:
        # Also where the weights say that there is no mean: a wrong fold must show.
        centred = self.centre(x)
        variance: Values = np.square(centred).mean(axis=-1, keepdims=True)
        scaled: Values = centred / np.sqrt(variance + np.float32(norm.epsilon))
        if norm.weight is not None:
            scaled = scaled * norm.weight.value
        return scaled if norm.bias is None else scaled + norm.bias.value

    def centre(self, x: Values) -> Values:
        centred: Values = x - x.mean(axis=-1, keepdims=True)
        return centred

    def split(self, x: Values, parts: int) -> tuple[Values, ...]:
        return tuple(np.split(x, parts, axis=-1))

    def rotate(self, x: Values, theta: float) -> Values:
        cosine, sine = rope_tables(x.shape[1], self.config.head_size, theta)
        heads = x.reshape(*x.shape[:2], self.config.heads, self.config.head_size)
        first, second = np.split(heads, 2, axis=-1)
        cosine, sine = cosine[:, None, :], sine[:, None, :]
        rotated = [first * cosine - second * sine, second * cosine + first * sine]
        return np.concatenate(rotated, axis=-1).reshape(x.shape)

    def attention(self, query: Values, key: Values, value: Values, *, window: int | None, scale: float) -> Values:
        queries, keys, values = (self._by_head(x) for x in (query, key, value))
        scores: Values = queries @ keys.swapaxes(-1, -2) * np.float32(scale)
        allowed = self.keep[:, None, None, :]
        if window is not None:
            position = np.arange(query.shape[1])
            allowed = allowed & (np.abs(position[:, None] - position[None, :]) <= window)
        scores = np.where(allowed, scores, np.finfo(np.float32).min)
        weights: Values = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        attended: Values = weights @ values
        merged: Values = attended.swapaxes(1, 2).reshape(query.shape)
        return merged

    def _by_head(self, x: Values) -> Values:
        heads: Values = x.reshape(*x.shape[:2], self.config.heads, self.config.head_size).swapaxes(1, 2)
        return heads

    def gelu(self, x: Values) -> Values:
        phi: Values = np.float32(0.5) * (np.float32(1) + erf(x * np.float32(0.5**0.5)))
        return x * phi

    def add(self, a: Values, b: Values) -> Values:
        return a + b

    def multiply(self, a: Values, b: Values) -> Values:
        return a * b

    def pool(self, x: Values, pooling: Pooling) -> Values:
        if pooling is Pooling.CLS:
            return x[:, 0]
        keep = self.keep[:, :, None].astype(np.float32)
        mean: Values = (x * keep).sum(axis=1) / keep.sum(axis=1)
        return mean

    def sigmoid(self, x: Values) -> Values:
        probability: Values = np.exp(-np.logaddexp(np.float32(0), -x))
        return probability
