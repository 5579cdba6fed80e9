"""ModernBERT's forward pass (Warner et al. 2024, arXiv:2412.13663) as a router, written once for every target.

`Operations` is what a target must be able to do. An emitter implements it with tensors of its own kind: numpy arrays
that hold values, names of nodes in an ONNX graph, variables of a Core ML program.

Shapes, whatever the layout in memory: activations [batch, sequence, width], scores [batch, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from vibe_router_export.checkpoint.config import Pooling
from vibe_router_export.checkpoint.weights import Layer, LayerNorm, Linear, ModernBertWeights, Parameter

T = TypeVar("T")


class Operations(Protocol[T]):
    """The operations that the forward pass is made of, over a target's own kind of tensor."""

    def embed(self, table: Parameter) -> T:
        """Look the input ids up in `table` [vocabulary, hidden]: [batch, sequence, hidden]."""

    def linear(self, x: T, layer: Linear) -> T:
        """Return x Wᵀ + b over the last axis."""

    def layer_norm(self, x: T, norm: LayerNorm) -> T:
        """Return (x - mean) / sqrt(variance + epsilon) * weight + bias over the last axis."""

    def centre(self, x: T) -> T:
        """Return x - mean over the last axis."""

    def split(self, x: T, parts: int) -> tuple[T, ...]:
        """Cut the last axis into equal parts."""

    def rotate(self, x: T, theta: float) -> T:
        """Rotary position embedding (Su et al. 2021, arXiv:2104.09864) of each head, halves paired, base `theta`."""

    def attention(self, query: T, key: T, value: T, *, window: int | None, scale: float) -> T:
        """softmax(scale · query · key) · value a head at a time, over tokens that are not padding and in `window`."""

    def gelu(self, x: T) -> T:
        """Return x Φ(x) with the exact normal distribution function Φ."""

    def add(self, a: T, b: T) -> T:
        """Return a + b."""

    def multiply(self, a: T, b: T) -> T:
        """Return a · b, element by element."""

    def pool(self, x: T, pooling: Pooling) -> T:
        """Reduce the sequence to one vector a row: [batch, width]."""

    def sigmoid(self, x: T) -> T:
        """Return 1 / (1 + exp(-x))."""


@dataclass(frozen=True)
class Scores(Generic[T]):
    """What the graph returns: `logits` and `p_cloud` = sigmoid(logits), both [batch, 1]."""

    logits: T
    p_cloud: T


def forward(ops: Operations[T], weights: ModernBertWeights) -> Scores[T]:
    """Run or emit the whole model."""
    x = embedded(ops, weights)
    for layer in weights.layers:
        x = encoded(ops, weights, layer, x)
    return scored(ops, weights, x)


def embedded(ops: Operations[T], weights: ModernBertWeights) -> T:
    """Return the embeddings, which are the input of layer 0."""
    x = ops.embed(weights.token_embedding)
    return x if weights.embedding_norm is None else ops.layer_norm(x, weights.embedding_norm)


def encoded(ops: Operations[T], weights: ModernBertWeights, layer: Layer, x: T) -> T:
    """Return the output of a layer, which is the input of the next."""
    normed = x if layer.attention_norm is None else ops.layer_norm(x, layer.attention_norm)
    if layer.attention_norm is None and weights.centred:
        x = ops.centre(x)
    x = ops.add(x, _attention(ops, normed, layer))
    return ops.add(x, _gated_mlp(ops, ops.layer_norm(x, layer.mlp_norm), layer))


def scored(ops: Operations[T], weights: ModernBertWeights, x: T) -> Scores[T]:
    """Return the scores of the last layer's output."""
    x = ops.pool(ops.layer_norm(x, weights.final_norm), weights.config.pooling)
    x = ops.layer_norm(ops.gelu(ops.linear(x, weights.head_dense)), weights.head_norm)
    logits = ops.linear(x, weights.classifier)
    return Scores(logits=logits, p_cloud=ops.sigmoid(logits))


def _attention(ops: Operations[T], x: T, layer: Layer) -> T:
    theta, window = layer.pattern.rope_theta, layer.pattern.window
    query, key, value = ops.split(ops.linear(x, layer.query_key_value), 3)
    query, key = ops.rotate(query, theta), ops.rotate(key, theta)
    attended = ops.attention(query, key, value, window=window, scale=layer.attention_scale)
    return ops.linear(attended, layer.attention_output)


def _gated_mlp(ops: Operations[T], x: T, layer: Layer) -> T:
    """GeGLU (Shazeer 2020, arXiv:2002.05202): the first half of `mlp_input` is activated, the second gates it."""
    activated, gate = ops.split(ops.linear(x, layer.mlp_input), 2)
    return ops.linear(ops.multiply(ops.gelu(activated), gate), layer.mlp_output)
