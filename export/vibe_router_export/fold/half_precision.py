"""Exact rewrites that keep a ModernBERT inside the range of fp16.

ModernBERT's residual stream carries a few channels of 20,000 and more, whose sums of squares overflow fp16 (largest
number 65,504). Every rewrite here leaves the function as it was: the residual stream is read only through layer
norms, which forget its mean and its scale and commute with rotations that keep the mean. The one exception is layer
0's attention, which reads the embeddings as they are, so its weights undo what is done to them.

Each rewrite works in float64 and rounds once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vibe_router_export.checkpoint.weights import Layer, LayerNorm, Linear, ModernBertWeights, Parameter
from vibe_router_export.fold.folds import centre_writes
from vibe_router_export.fold.rewrites import map_linear, map_writes, rounded
from vibe_router_export.fold.rotation import Matrix, mean_keeping_rotation

# Half of fp16's largest number: the largest sum of squares over one token's channels that a norm may meet.
LARGEST_SUM_OF_SQUARES = 65_504 / 2
# An eighth of it, for graphs whose norms are fp32: what is added to the residual may be larger than what comes of it.
_LARGEST_PEAK = 65_504 / 8


@dataclass(frozen=True, kw_only=True)
class HalfPrecisionFolds:
    """Which rewrites to make. All but `residual_scale` (a power of two) cost nothing and are always exact."""

    centre: bool = True
    rotate: bool = True
    residual_scale: float = 1.0


def fold_for_half_precision(weights: ModernBertWeights, folds: HalfPrecisionFolds) -> ModernBertWeights:
    """Return weights of the same function without norm gains, embedding norm and attention scale, then `folds`."""
    weights = fold_query_scale(fold_norm_gains(fold_embedding_norm(weights)))
    if folds.centre:
        weights = centre_writes(weights)
    if folds.rotate:
        weights = rotate_residual(weights, mean_keeping_rotation(weights.config.hidden_size))
    return scale_residual(weights, folds.residual_scale)


def choose_residual_scale(largest_sum_of_squares: float) -> float:
    """Return the largest power of two, at most 1, that keeps a norm's sum of squares inside fp16 with room to spare.

    `largest_sum_of_squares` is what was measured over one token's channels at scale 1.
    """
    if largest_sum_of_squares <= LARGEST_SUM_OF_SQUARES:
        return 1.0
    return float(2.0 ** np.floor(np.log2((LARGEST_SUM_OF_SQUARES / largest_sum_of_squares) ** 0.5)))


def choose_peak_scale(peak: float) -> float:
    """Return the largest power of two, at most 1, that keeps one channel inside fp16 with room to spare.

    For graphs that keep the residual and its norms in fp32, where no sum of squares overflows. `peak` is the largest
    magnitude in the residual, measured at scale 1.
    """
    return 1.0 if peak <= _LARGEST_PEAK else float(2.0 ** np.floor(np.log2(_LARGEST_PEAK / peak)))


def fold_embedding_norm(weights: ModernBertWeights) -> ModernBertWeights:
    """Normalise the rows of the embedding table once, instead of every token's row at every run."""
    norm = weights.embedding_norm
    if norm is None:
        return weights
    rows = weights.token_embedding.value.astype(np.float64)
    rows -= rows.mean(axis=1, keepdims=True)
    rows /= np.sqrt(np.square(rows).mean(axis=1, keepdims=True) + norm.epsilon)
    if norm.weight is not None:
        rows *= norm.weight.value
    if norm.bias is not None:
        rows += norm.bias.value
    return replace(weights, token_embedding=rounded(weights.token_embedding, rows), embedding_norm=None)


def fold_norm_gains(weights: ModernBertWeights) -> ModernBertWeights:
    """Move each norm's gain and bias into the linear layer that reads it: W (g · n + b) = (W g) n + W b."""

    def layer(old: Layer) -> Layer:
        norm, query_key_value = old.attention_norm, old.query_key_value
        if norm is not None:
            norm, query_key_value = _absorb(norm, query_key_value)
        mlp_norm, mlp_input = _absorb(old.mlp_norm, old.mlp_input)
        return replace(
            old, attention_norm=norm, query_key_value=query_key_value, mlp_norm=mlp_norm, mlp_input=mlp_input
        )

    # Pooling is an average over tokens, so a gain and a bias a channel pass through it unchanged.
    final_norm, head_dense = _absorb(weights.final_norm, weights.head_dense)
    head_norm, classifier = _absorb(weights.head_norm, weights.classifier)
    return replace(
        weights,
        layers=tuple(layer(old) for old in weights.layers),
        final_norm=final_norm,
        head_dense=head_dense,
        head_norm=head_norm,
        classifier=classifier,
    )


def fold_query_scale(weights: ModernBertWeights) -> ModernBertWeights:
    """Move 1 / sqrt(head size) into the query's rows, so that scores are never larger than they need to be."""

    def layer(old: Layer) -> Layer:
        factor = np.ones(3 * weights.config.hidden_size)
        factor[: weights.config.hidden_size] = old.attention_scale
        scaled = map_linear(old.query_key_value, lambda weight: weight * factor[:, None], lambda bias: bias * factor)
        return replace(old, query_key_value=scaled, attention_scale=1.0)

    return replace(weights, layers=tuple(layer(old) for old in weights.layers))


def rotate_residual(weights: ModernBertWeights, rotation: Matrix) -> ModernBertWeights:
    """Express the residual stream x as Q x, Q orthogonal with Q · 1 = 1. Norms must carry no gain.

    Raises:
        ValueError: a norm that reads the residual still has a gain or a bias.
    """
    norms = [weights.final_norm, *(layer.mlp_norm for layer in weights.layers)]
    norms += [layer.attention_norm for layer in weights.layers if layer.attention_norm is not None]
    if weights.embedding_norm is not None or any(norm.weight is not None or norm.bias is not None for norm in norms):
        raise ValueError("fold the norms' gains before rotating")

    def read(linear: Linear) -> Linear:
        return map_linear(linear, lambda weight: weight @ rotation.T, lambda bias: bias)

    layers = tuple(
        replace(layer, query_key_value=read(layer.query_key_value), mlp_input=read(layer.mlp_input))
        for layer in weights.layers
    )
    return map_writes(
        replace(weights, layers=layers, head_dense=read(weights.head_dense)),
        table=lambda rows: rows @ rotation.T,
        weight=lambda weight: rotation @ weight,
        bias=lambda bias: rotation @ bias,
    )


def scale_residual(weights: ModernBertWeights, scale: float) -> ModernBertWeights:
    """Express the residual stream x as scale · x; norms are told by an epsilon of epsilon · scale².

    `scale` is a power of two. Of what is written, the matrix that writes takes half of the exponent and the matrix
    before it the other half (the values of attention, the gate of the MLP; both pass through linearly): small weights
    times the whole scale would be subnormal in fp16, with a few bits left.
    """
    if scale == 1.0:
        return weights
    inner = float(2.0 ** np.round(np.log2(scale) / 2))

    def norm(old: LayerNorm) -> LayerNorm:
        return replace(old, epsilon=old.epsilon * scale**2)

    def write(old: Linear) -> Linear:
        return map_linear(old, lambda weight: weight * (scale / inner), lambda bias: bias * scale)

    def layer(old: Layer) -> Layer:
        first = old.attention_norm is None
        return replace(
            old,
            attention_norm=None if old.attention_norm is None else norm(old.attention_norm),
            query_key_value=_scale_last_rows(
                old.query_key_value, weights.config.hidden_size, inner, reads=1 / scale if first else 1.0
            ),
            attention_output=write(old.attention_output),
            mlp_norm=norm(old.mlp_norm),
            mlp_input=_scale_last_rows(old.mlp_input, weights.config.intermediate_size, inner),
            mlp_output=write(old.mlp_output),
        )

    rows = weights.token_embedding.value.astype(np.float64) * scale
    return replace(
        weights,
        token_embedding=rounded(weights.token_embedding, rows),
        layers=tuple(layer(old) for old in weights.layers),
        final_norm=norm(weights.final_norm),
    )


def _absorb(norm: LayerNorm, linear: Linear) -> tuple[LayerNorm, Linear]:
    weight = linear.weight.value.astype(np.float64)
    bias = linear.bias
    if norm.bias is not None:
        moved = weight @ norm.bias.value.astype(np.float64)
        bias = bias or Parameter(f"{linear.weight.name.removesuffix('.weight')}.bias", np.zeros(1, np.float32))
        bias = rounded(bias, bias.value + moved)
    if norm.weight is not None:
        weight = weight * norm.weight.value
    return replace(norm, weight=None, bias=None), Linear(rounded(linear.weight, weight), bias)


def _scale_last_rows(linear: Linear, rows: int, factor: float, *, reads: float = 1.0) -> Linear:
    """Scale the last `rows` outputs by `factor`, and what the matrix reads by `reads`."""
    factors = np.ones(linear.weight.value.shape[0])
    factors[-rows:] = factor
    return map_linear(linear, lambda weight: weight * factors[:, None] * reads, lambda bias: bias * factors)
