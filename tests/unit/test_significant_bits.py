from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

from tests.support.checkpoints import small_config, write_checkpoint
from vibe_router_export.checkpoint.checkpoint import read_checkpoint
from vibe_router_export.fold.significant_bits import ALL_BITS, keep_significant_bits, round_to_bits


@pytest.mark.parametrize("bits", [12, 16, 23])
def test_values_move_by_half_a_step_at_most_and_the_rest_is_zeros(bits: int) -> None:
    values = np.random.default_rng(0).normal(size=4096).astype(np.float32)
    rounded = round_to_bits(values, bits)
    assert not np.any(rounded.view(np.uint32) & np.uint32((1 << (ALL_BITS - bits)) - 1))
    error = np.abs(rounded.astype(np.float64) - values)
    assert (error <= np.maximum(np.abs(values), 0.5) * 2.0**-bits).all()
    assert error.max() > 0
    np.testing.assert_array_equal(round_to_bits(rounded, bits), rounded)


def test_small_values_are_rounded_no_finer_than_half_the_root_mean_square() -> None:
    step = 2.0**-13
    values = np.array([1.0, -1.0, 1.0, 0.4 * step, 1.4 * step, 2.0**-9], np.float32)
    np.testing.assert_array_equal(round_to_bits(values, 12)[3:], np.array([0.0, step, 2.0**-9], np.float32))


def test_ties_go_to_even() -> None:
    step = 2.0**-11
    values = np.array([1 + 0.5 * step, 1 + 1.5 * step, -1 - 0.5 * step, 0.0], np.float32)
    expected = np.array([1, 1 + 2 * step, -1, 0], np.float32)
    np.testing.assert_array_equal(round_to_bits(values, 12), expected)


def test_every_parameter_of_a_model_is_rounded(tmp_path: Path) -> None:
    weights = read_checkpoint(write_checkpoint(tmp_path / "small", small_config())).weights
    rounded = keep_significant_bits(weights, 16)
    pairs = [
        (weights.layers[-1].mlp_output.weight, rounded.layers[-1].mlp_output.weight),
        (weights.final_norm.weight, rounded.final_norm.weight),
        (weights.classifier.weight, rounded.classifier.weight),
    ]
    for before, after in pairs:
        np.testing.assert_array_equal(after.value, round_to_bits(before.value, 16))
    np.testing.assert_array_equal(rounded.token_embedding.value, round_to_bits(weights.token_embedding.value, 15))
    before, after = (len(zlib.compress(one.token_embedding.value.tobytes())) for one in (weights, rounded))
    assert after < 0.9 * before
    assert keep_significant_bits(weights, ALL_BITS) is weights
