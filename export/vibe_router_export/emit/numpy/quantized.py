"""The forward pass as numpy values with matrices in low precision: what int8 and int4 do, without a runtime."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vibe_router_export.checkpoint.weights import Linear, ModernBertWeights, Parameter
from vibe_router_export.emit.numpy.values import NumpyOperations, Values
from vibe_router_export.emit.quantize import MatrixFormat, PrecisionPlan, restored, round_by_token, round_in_blocks
from vibe_router_export.modernbert import forward

_UINT8_MAX = 255


def evaluate_quantized(
    weights: ModernBertWeights, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64], *, plan: PrecisionPlan
) -> Values:
    """Return the logits, float32 [batch], of a graph with this plan; ids and mask int64 [batch, sequence]."""
    operations = QuantizedOperations(weights.config, input_ids, attention_mask.astype(bool), plan)
    return forward(operations, weights).logits[:, 0]


def round_to_uint8(x: Values) -> Values:
    """Return `x` as float32 after rounding to 256 steps between its least and largest value (0 among them).

    One scale for the whole tensor, as ONNX's DynamicQuantizeLinear defines it.
    """
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    scale = np.float32((high - low) / _UINT8_MAX)
    if scale == 0:
        return x
    zero = np.rint(np.float32(-low) / scale)
    steps = np.rint(x / scale) + zero
    rounded: Values = (steps.clip(0, _UINT8_MAX) - zero) * scale
    return rounded


def round_activations(x: Values, matrix_format: MatrixFormat) -> Values:
    """Return what a product in this format computes with; int4's rounding of activations is left out."""
    if matrix_format is MatrixFormat.INT8:
        return round_to_uint8(x)
    if matrix_format is MatrixFormat.INT8_TOKENS:
        return round_by_token(x)
    return round_in_blocks(x) if matrix_format is MatrixFormat.INT8_BLOCKS else x


@dataclass(frozen=True)
class QuantizedOperations(NumpyOperations):
    """Operations with the rounding that `plan` brings; the activations of int4 products are left exact."""

    plan: PrecisionPlan

    def embed(self, table: Parameter) -> Values:
        rows, places = np.unique(self.input_ids, return_inverse=True)
        used = Parameter(table.name, table.value[rows])
        embedded: Values = restored(used, self._format(table))[places.reshape(self.input_ids.shape)]
        return embedded

    def linear(self, x: Values, layer: Linear) -> Values:
        matrix_format = self._format(layer.weight)
        if matrix_format is MatrixFormat.FP32:
            return super().linear(x, layer)
        weight = Parameter(layer.weight.name, restored(layer.weight, matrix_format))
        return super().linear(round_activations(x, matrix_format), Linear(weight, layer.bias))

    def _format(self, parameter: Parameter) -> MatrixFormat:
        return self.plan.get(parameter.name, MatrixFormat.FP32)
