"""How a rewrite of the weights reaches the matrices that it concerns: in float64, rounded once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vibe_router_export.checkpoint.weights import Linear, ModernBertWeights, Parameter

Float64 = NDArray[np.float64]
Rewrite = Callable[[Float64], Float64]


def map_writes(weights: ModernBertWeights, *, table: Rewrite, weight: Rewrite, bias: Rewrite) -> ModernBertWeights:
    """Rewrite the embedding table (rows are tokens) and every linear layer that adds to the residual."""
    layers = tuple(
        replace(
            layer,
            attention_output=map_linear(layer.attention_output, weight, bias),
            mlp_output=map_linear(layer.mlp_output, weight, bias),
        )
        for layer in weights.layers
    )
    rows = table(weights.token_embedding.value.astype(np.float64))
    return replace(weights, token_embedding=rounded(weights.token_embedding, rows), layers=layers)


def map_linear(linear: Linear, weight: Rewrite, bias: Rewrite) -> Linear:
    """Rewrite one linear layer's weight [out, in] and, where it has one, its bias [out]."""
    rewritten = rounded(linear.weight, weight(linear.weight.value.astype(np.float64)))
    if linear.bias is None:
        return Linear(rewritten)
    return Linear(rewritten, rounded(linear.bias, bias(linear.bias.value.astype(np.float64))))


def rounded(parameter: Parameter, value: Float64) -> Parameter:
    """Return the parameter with another value, as float32."""
    return Parameter(parameter.name, value.astype(np.float32))
