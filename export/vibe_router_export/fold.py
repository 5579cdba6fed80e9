"""Exact rewrites of the weights: the function stays the same (or the same by a stated rule), the graph gets simpler."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vibe_router_export.weights import Linear, ModernBertWeights, Parameter


def fold_temperature(weights: ModernBertWeights, temperature: float) -> ModernBertWeights:
    """Return weights whose logit is z / temperature, z the logit of `weights`.

    Temperature scaling (Guo et al. 2017, arXiv:1706.04599) divides the logit by a scalar; the classifier is the last
    linear map, so the division moves into its weight and bias. It is done in float64 and rounded once.
    """
    if weights.classifier.bias is None:
        raise ValueError("a classifier has a bias")
    classifier = Linear(_divide(weights.classifier.weight, temperature), _divide(weights.classifier.bias, temperature))
    return replace(weights, classifier=classifier)


def _divide(parameter: Parameter, divisor: float) -> Parameter:
    return Parameter(parameter.name, (parameter.value.astype(np.float64) / divisor).astype(np.float32))
