"""Number formats of weights: what a matrix becomes in int8 and int4, and which matrix gets which.

All formats are symmetric, so a weight is `integer · scale` without a zero point.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from vibe_router_export.checkpoint.weights import Array, Layer, Linear, ModernBertWeights, Parameter
from vibe_router_export.choices import Precision

# -127..127: without -128 a weight and its negative are equally exact.
_INT8_MAX = 127
# A token whose largest magnitude is no more than this is rounded to zeros.
_LEAST_PEAK = np.float32(1e-30)
# Values of a row that share one scale. With 32, int4's scales alone would be a fifth of the file; in int8, shorter
# blocks are slower and hardly more exact.
INT4_BLOCK = 64
INT8_BLOCK = 128
_INT4_ZERO = 8
_INT4_MAX = 15
_INT8_ZERO = 128


class MatrixFormat(Enum):
    """How one matrix is stored and multiplied; its value is its name in reports.

    In the three kinds of int8, activations are rounded to 8 bits as they come: with one scale for the whole tensor,
    with one a token, or with one for each block of each token. With the latter two, a token with a massive value leaves
    the others alone.
    """

    FP32 = "fp32"
    INT8_BLOCKS = "int8 in blocks"
    INT8_TOKENS = "int8, one scale a token"
    INT8 = "int8"
    INT4 = "int4"


PrecisionPlan = Mapping[str, MatrixFormat]
"""Format by weight name; a weight that is not named stays fp32."""
ALL_FP32: PrecisionPlan = MappingProxyType({})


@dataclass(frozen=True)
class Int8Rows:
    """`values` int8 [rows, columns] and `scales` float32 [rows]: weight ≈ values · scales[:, None]."""

    values: NDArray[np.int8]
    scales: Array


@dataclass(frozen=True)
class Int8Blocks:
    """`values` uint8 [rows, blocks, INT8_BLOCK] and `scales` float32 [rows, blocks]: weight ≈ (value - 128) · scale.

    The last block is filled up with zeros. This is the layout of ONNX Runtime's MatMulNBits.
    """

    values: NDArray[np.uint8]
    scales: Array
    columns: int


@dataclass(frozen=True)
class Int4Blocks:
    """Two weights a byte, the earlier column in the low half, in blocks of `INT4_BLOCK` columns.

    `packed` is uint8 [rows, blocks, INT4_BLOCK / 2] and `scales` float32 [rows, blocks]: weight ≈ (nibble - 8) ·
    scale. The last block is filled up with zeros where the columns do not divide. This is the layout of ONNX
    Runtime's MatMulNBits.
    """

    packed: NDArray[np.uint8]
    scales: Array
    columns: int


def encoder_linears(weights: ModernBertWeights) -> Iterator[Linear]:
    """Yield the linear layers of the encoder in the order of the data."""
    for layer in weights.layers:
        yield from layer_linears(layer)


def layer_linears(layer: Layer) -> tuple[Linear, ...]:
    """Return the linear layers of one layer in the order of the data."""
    return (layer.query_key_value, layer.attention_output, layer.mlp_input, layer.mlp_output)


def lowered(weights: ModernBertWeights, precision: Precision) -> PrecisionPlan:
    """Return the plan in which everything that can be low is: encoder linears in `precision`, embedding rows int8.

    An embedding row is looked up, not multiplied, so below int8 it would lose more than it saves. The head stays fp32:
    it multiplies one token, so int8 saves a hundredth of a prompt's time and adds a third to the logit's error.
    """
    if precision is Precision.FP32:
        return ALL_FP32
    if precision is Precision.FP16:
        raise ValueError("fp16 is a graph of its own, not a plan of matrices")
    lowest = {Precision.INT8: MatrixFormat.INT8, Precision.INT4: MatrixFormat.INT4}[precision]
    plan = {linear.weight.name: lowest for linear in encoder_linears(weights)}
    return {weights.token_embedding.name: MatrixFormat.INT8, **plan}


def lowered_by_token(weights: ModernBertWeights) -> PrecisionPlan:
    """Return the plan of the native engine: encoder linears in int8 with one scale a token, embedding rows int8."""
    plan = {linear.weight.name: MatrixFormat.INT8_TOKENS for linear in encoder_linears(weights)}
    return {weights.token_embedding.name: MatrixFormat.INT8, **plan}


def int8_rows(weight: Array) -> Int8Rows:
    """Round a float32 matrix to int8, one scale a row (an output channel, or a token's embedding)."""
    scales = _nonzero(np.abs(weight).max(axis=1) / np.float32(_INT8_MAX))
    values = np.rint(weight / scales[:, None]).clip(-_INT8_MAX, _INT8_MAX).astype(np.int8)
    return Int8Rows(values, scales)


def int8_blocks(weight: Array) -> Int8Blocks:
    """Round a float32 matrix to int8 in blocks."""
    padded = _in_blocks(weight, INT8_BLOCK)
    scales = _nonzero(np.abs(padded).max(axis=2) / np.float32(_INT8_MAX))
    values = np.rint(padded / scales[:, :, None]).clip(-_INT8_MAX, _INT8_MAX) + _INT8_ZERO
    return Int8Blocks(values.astype(np.uint8), scales, weight.shape[1])


def int4_blocks(weight: Array) -> Int4Blocks:
    """Round a float32 matrix to int4 in blocks.

    The value of largest magnitude becomes exactly -8, whatever its sign, so that all 16 steps are used; only values
    within half a step of its negative are clipped, to +7.
    """
    padded = _in_blocks(weight, INT4_BLOCK)
    largest = np.take_along_axis(padded, np.abs(padded).argmax(axis=2, keepdims=True), axis=2)[:, :, 0]
    scales = _nonzero((largest / np.float32(-_INT4_ZERO)).astype(np.float32))
    nibbles = (np.rint(padded / scales[:, :, None]) + _INT4_ZERO).clip(0, _INT4_MAX).astype(np.uint8)
    packed = nibbles[:, :, 0::2] | (nibbles[:, :, 1::2] << 4)
    return Int4Blocks(packed, scales, weight.shape[1])


def restore_int8(rows: Int8Rows) -> Array:
    """Return the float32 matrix that `rows` stands for."""
    restored: Array = rows.values.astype(np.float32) * rows.scales[:, None]
    return restored


def restore_int8_blocks(blocks: Int8Blocks) -> Array:
    """Return the float32 matrix that `blocks` stands for."""
    signed = blocks.values.astype(np.float32) - np.float32(_INT8_ZERO)
    restored: Array = (signed * blocks.scales[:, :, None]).reshape(len(signed), -1)[:, : blocks.columns]
    return restored


def restore_int4(blocks: Int4Blocks) -> Array:
    """Return the float32 matrix that `blocks` stands for."""
    nibbles = np.stack([blocks.packed & 15, blocks.packed >> 4], axis=3)
    signed = nibbles.reshape(*blocks.scales.shape, INT4_BLOCK).astype(np.float32) - np.float32(_INT4_ZERO)
    restored: Array = (signed * blocks.scales[:, :, None]).reshape(len(signed), -1)[:, : blocks.columns]
    return restored


def restored(parameter: Parameter, matrix_format: MatrixFormat) -> Array:
    """Return the float32 matrix that is left of a parameter in a format."""
    if matrix_format in (MatrixFormat.INT8, MatrixFormat.INT8_TOKENS):
        return restore_int8(int8_rows(parameter.value))
    if matrix_format is MatrixFormat.INT8_BLOCKS:
        return restore_int8_blocks(int8_blocks(parameter.value))
    if matrix_format is MatrixFormat.INT4:
        return restore_int4(int4_blocks(parameter.value))
    return parameter.value


def _in_blocks(matrix: Array, block: int) -> Array:
    """Return [rows, blocks, block] of a matrix [rows, columns], filled up with zeros."""
    rows, columns = matrix.shape
    blocks = -(-columns // block)
    return np.pad(matrix, ((0, 0), (0, blocks * block - columns))).reshape(rows, blocks, block)


def round_in_blocks(x: Array) -> Array:
    """Return activations [..., columns] as float32 after rounding each block of each token to int8."""
    blocks = _in_blocks(x.reshape(-1, x.shape[-1]), INT8_BLOCK)
    scales = _nonzero(np.abs(blocks).max(axis=2, keepdims=True) / np.float32(_INT8_MAX))
    rounded: Array = (np.rint(blocks / scales) * scales).reshape(len(blocks), -1)[:, : x.shape[-1]].reshape(x.shape)
    return rounded


def round_by_token(x: Array) -> Array:
    """Return activations [..., columns] as float32 after rounding each token to int8, -127..127.

    With the native engine's own steps, because a quotient rounded differently is now and then another integer: the
    token is multiplied by 127 / its largest magnitude, and what is left below 1e-30 is 0.
    """
    peaks = np.abs(x).max(axis=-1, keepdims=True)
    inverse = np.float32(_INT8_MAX) / np.where(peaks > _LEAST_PEAK, peaks, np.float32(np.inf))
    rounded: Array = np.rint(x * inverse) * (peaks / np.float32(_INT8_MAX))
    return rounded


def _nonzero(scales: Array) -> Array:
    """Give rows of zeros a scale that can be divided by."""
    return np.where(scales == 0, np.float32(1), scales)
