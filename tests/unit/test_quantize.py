"""Number formats: what is left of a weight in int8 and int4, to the bit where the layout is somebody else's."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.support.checkpoints import small_config
from vibe_router_export.checkpoint.config import parse_config
from vibe_router_export.checkpoint.weights import arrange
from vibe_router_export.choices import Precision
from vibe_router_export.emit.quantize import (
    INT4_BLOCK,
    INT8_BLOCK,
    MatrixFormat,
    encoder_linears,
    int4_blocks,
    int8_blocks,
    int8_rows,
    lowered,
    lowered_by_token,
    restore_int4,
    restore_int8,
    restore_int8_blocks,
    round_by_token,
    round_in_blocks,
)
from vibe_router_export.synthetic.checkpoint import random_tensors

SHAPES = [(1, 1), (3, INT4_BLOCK), (5, INT4_BLOCK + 1), (7, 100), (4, 3 * INT4_BLOCK)]


def matrix(shape: tuple[int, int], scale: float = 1.0) -> np.ndarray:
    values = np.random.default_rng(shape[1]).standard_normal(shape, dtype=np.float32)
    return values * np.float32(scale)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
@pytest.mark.parametrize("shape", SHAPES)
def test_int8_is_within_half_a_step_of_every_weight(shape: tuple[int, int], scale: float) -> None:
    weight = matrix(shape, scale)
    rows = int8_rows(weight)
    assert rows.values.dtype == np.int8
    assert rows.values.min() >= -127
    assert (np.abs(rows.values).max(axis=1) == 127).all()
    assert (np.abs(restore_int8(rows) - weight) <= rows.scales[:, None] * np.float32(0.5001)).all()


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
@pytest.mark.parametrize("shape", SHAPES)
def test_int4_is_within_half_a_step_or_clipped_at_the_far_end(shape: tuple[int, int], scale: float) -> None:
    weight = matrix(shape, scale)
    blocks = int4_blocks(weight)
    steps = np.repeat(blocks.scales, INT4_BLOCK, axis=1)[:, : shape[1]]
    error = np.abs(restore_int4(blocks) - weight)
    clipped = weight / steps > 7.5
    assert (error[~clipped] <= np.abs(steps[~clipped]) * np.float32(0.5001)).all()
    assert (error[clipped] <= np.abs(steps[clipped]) * np.float32(1.0001)).all()


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
@pytest.mark.parametrize("shape", [(1, 1), (5, INT8_BLOCK + 1), (4, 3 * INT8_BLOCK)])
def test_int8_in_blocks_is_within_half_a_step_of_every_weight(shape: tuple[int, int], scale: float) -> None:
    weight = matrix(shape, scale)
    blocks = int8_blocks(weight)
    steps = np.repeat(blocks.scales, INT8_BLOCK, axis=1)[:, : shape[1]]
    assert (np.abs(restore_int8_blocks(blocks) - weight) <= steps * np.float32(0.5001)).all()
    assert blocks.values.reshape(shape[0], -1)[:, shape[1] :].tolist() == [[128] * (-shape[1] % INT8_BLOCK)] * shape[0]


def test_a_spike_spoils_only_its_own_block_of_its_own_token() -> None:
    x = np.random.default_rng(0).standard_normal((1, 3, 2 * INT8_BLOCK), dtype=np.float32)
    x[0, 0, 3] = 25_000
    error = np.abs(round_in_blocks(x) - x).reshape(3, 2, INT8_BLOCK).max(axis=2)
    assert error[0, 0] > 1
    assert error.reshape(-1)[1:].max() < 0.02


def test_a_spike_spoils_only_its_own_token_where_each_has_a_scale() -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 100), dtype=np.float32)
    steps = np.abs(x).max(axis=2, keepdims=True) / np.float32(127)
    assert (np.abs(round_by_token(x) - x) <= steps * np.float32(0.5001)).all()
    spiked = x.copy()
    spiked[0, 0, 3] = 25_000
    np.testing.assert_array_equal(round_by_token(spiked).reshape(6, 100)[1:], round_by_token(x).reshape(6, 100)[1:])
    assert (round_by_token(spiked)[0, 0] != 0).sum() == 1
    assert (round_by_token(np.full((1, 4), 1e-31, np.float32)) == 0).all()


def test_a_row_of_zeros_stays_zero() -> None:
    zeros = np.zeros((2, 70), np.float32)
    assert (restore_int8_blocks(int8_blocks(zeros)) == 0).all()
    assert (restore_int8(int8_rows(zeros)) == 0).all()
    assert (restore_int4(int4_blocks(zeros)) == 0).all()


def test_int4_packs_two_columns_a_byte_the_earlier_one_low() -> None:
    weight = np.zeros((1, INT4_BLOCK + 2), np.float32)
    # The largest becomes -8, written as 0; the scale is its value over -8.
    weight[0, :4] = [-0.8, 0.1, 0.7, -0.3]
    weight[0, INT4_BLOCK:] = [1.6, -0.4]
    blocks = int4_blocks(weight)
    assert blocks.packed.shape == (1, 2, INT4_BLOCK // 2)
    np.testing.assert_allclose(blocks.scales, [[0.1, -0.2]], rtol=1e-6)
    assert blocks.packed[0, 0, :3].tolist() == [0 | 9 << 4, 15 | 5 << 4, 8 | 8 << 4]
    assert blocks.packed[0, 1, :2].tolist() == [0 | 10 << 4, 8 | 8 << 4]
    np.testing.assert_allclose(restore_int4(blocks), weight, atol=1e-6)


def test_what_a_grid_holds_comes_back_exactly() -> None:
    random = np.random.default_rng(0)
    eighths = random.integers(-127, 128, (6, 90)).astype(np.float32) / 8
    eighths[:, 0] = 127 / 8
    np.testing.assert_array_equal(restore_int8(int8_rows(eighths)), eighths)
    quarters = random.integers(-7, 8, (6, 2 * INT4_BLOCK)).astype(np.float32) / 4
    quarters[:, ::INT4_BLOCK] = -8 / 4
    np.testing.assert_array_equal(restore_int4(int4_blocks(quarters)), quarters)


def test_a_plan_lowers_the_encoder_and_the_embedding_and_nothing_else() -> None:
    config = parse_config(json.dumps(small_config()))
    weights = arrange(config, random_tensors(config, seed=0))
    assert not lowered(weights, Precision.FP32)
    lowest = {Precision.INT8: MatrixFormat.INT8, Precision.INT4: MatrixFormat.INT4}
    for precision, matrix_format in lowest.items():
        plan = dict(lowered(weights, precision))
        assert plan.pop("model.embeddings.tok_embeddings.weight") is MatrixFormat.INT8
        assert list(plan) == [linear.weight.name for linear in encoder_linears(weights)]
        assert len(plan) == 4 * len(config.layers)
        assert set(plan.values()) == {matrix_format}
    by_token = dict.fromkeys(plan, MatrixFormat.INT8_TOKENS)
    assert lowered_by_token(weights) == {"model.embeddings.tok_embeddings.weight": MatrixFormat.INT8, **by_token}
