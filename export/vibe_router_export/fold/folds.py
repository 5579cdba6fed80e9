"""Exact rewrites of the weights: the function stays the same (or the same by a stated rule), the graph gets simpler."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vibe_router_export.checkpoint.weights import Layer, LayerNorm, Linear, ModernBertWeights, Parameter
from vibe_router_export.fold.rewrites import map_writes


def fold_temperature(weights: ModernBertWeights, temperature: float) -> ModernBertWeights:
    """Return weights whose logit is z / temperature, z the logit of `weights`.

    Temperature scaling (Guo et al. 2017, arXiv:1706.04599) divides the logit by a scalar; the classifier is the last
    linear map, so the division moves into its weight and bias. It is done in float64 and rounded once.
    """
    if weights.classifier.bias is None:
        raise ValueError("a classifier has a bias")
    classifier = Linear(_divide(weights.classifier.weight, temperature), _divide(weights.classifier.bias, temperature))
    return replace(weights, classifier=classifier)


def centre_writes(weights: ModernBertWeights) -> ModernBertWeights:
    """Take the mean over channels out of everything that is written to the residual; every norm would forget it.

    The embeddings keep theirs: layer 0's attention reads them without a norm.
    """
    return map_writes(
        weights,
        table=lambda rows: rows,
        weight=lambda weight: weight - weight.mean(axis=0, keepdims=True),
        bias=lambda bias: bias - bias.mean(),
    )


def centre_residual(weights: ModernBertWeights) -> ModernBertWeights:
    """Keep the mean over channels out of the whole residual stream, and tell its norms that they need not take it.

    What is written is centred here, once; the embeddings are when the model runs, after the one layer that reads
    them as they are. A layer norm of what has no mean is a root mean square norm (Zhang and Sennrich 2019,
    arXiv:1910.07467), which ONNX Runtime computes together with the addition before it.
    """

    def centred(norm: LayerNorm) -> LayerNorm:
        return replace(norm, centred=True)

    def layer(old: Layer) -> Layer:
        norm = old.attention_norm
        return replace(old, attention_norm=None if norm is None else centred(norm), mlp_norm=centred(old.mlp_norm))

    written = centre_writes(weights)
    return replace(
        written,
        centred=True,
        layers=tuple(layer(old) for old in written.layers),
        final_norm=centred(written.final_norm),
    )


def _divide(parameter: Parameter, divisor: float) -> Parameter:
    return Parameter(parameter.name, (parameter.value.astype(np.float64) / divisor).astype(np.float32))
