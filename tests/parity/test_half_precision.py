"""Every rewrite for fp16 leaves the function as it was, and does what it is for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.checkpoints import small_config, write_checkpoint
from tests.support.sequences import padded_sequences
from vibe_router_export.checkpoint.checkpoint import read_checkpoint
from vibe_router_export.checkpoint.config import parse_config
from vibe_router_export.checkpoint.weights import ModernBertWeights, arrange
from vibe_router_export.emit.numpy.values import evaluate
from vibe_router_export.fold.folds import centre_residual, centre_writes
from vibe_router_export.fold.half_precision import (
    LARGEST_SUM_OF_SQUARES,
    HalfPrecisionFolds,
    choose_residual_scale,
    fold_embedding_norm,
    fold_for_half_precision,
    fold_norm_gains,
    fold_query_scale,
    rotate_residual,
    scale_residual,
)
from vibe_router_export.fold.rotation import mean_keeping_rotation
from vibe_router_export.observe.activations import norm_inputs
from vibe_router_export.synthetic.checkpoint import Outliers, random_tensors

TOLERANCE = 1e-5
BIASES = {"norm_bias": True, "attention_bias": True, "mlp_bias": True, "classifier_bias": True}
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "mean": {},
    "cls": {"classifier_pooling": "cls"},
    "biases": BIASES,
    "other-epsilon": {"norm_eps": 1e-2},
}


def _rotated(weights: ModernBertWeights) -> ModernBertWeights:
    plain = fold_norm_gains(fold_embedding_norm(weights))
    return rotate_residual(plain, mean_keeping_rotation(weights.config.hidden_size))


FOLDS: dict[str, Callable[[ModernBertWeights], ModernBertWeights]] = {
    "embedding-norm": fold_embedding_norm,
    "gains": fold_norm_gains,
    "query-scale": fold_query_scale,
    "centring": centre_writes,
    "centred residual": centre_residual,
    "rotation": _rotated,
    "scale": lambda weights: scale_residual(fold_embedding_norm(weights), 2.0**-6),
    "all": lambda weights: fold_for_half_precision(weights, HalfPrecisionFolds(residual_scale=2.0**-6)),
}


@pytest.mark.parametrize("fold", FOLDS)
@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_the_function_stays_the_same(configuration: str, fold: str, tmp_path: Path) -> None:
    config = small_config(**CONFIGURATIONS[configuration])
    weights = read_checkpoint(write_checkpoint(tmp_path / "small", config)).weights
    ids, mask = padded_sequences(weights.config, lengths=(2, 5, 17, 40))
    before, after = evaluate(weights, ids, mask), evaluate(FOLDS[fold](weights), ids, mask)
    assert before.std() > 0.1, "a constant function would prove nothing"
    np.testing.assert_allclose(after, before, rtol=0, atol=TOLERANCE)


def test_a_query_scale_is_folded_once(tmp_path: Path) -> None:
    weights = read_checkpoint(write_checkpoint(tmp_path / "small")).weights
    once = fold_query_scale(weights)
    twice = fold_query_scale(once)
    assert all(layer.attention_scale == 1.0 for layer in once.layers)
    np.testing.assert_array_equal(
        twice.layers[0].query_key_value.weight.value, once.layers[0].query_key_value.weight.value
    )


def test_rotating_under_gains_is_refused(tmp_path: Path) -> None:
    weights = read_checkpoint(write_checkpoint(tmp_path / "small")).weights
    with pytest.raises(ValueError, match="gains"):
        rotate_residual(weights, mean_keeping_rotation(weights.config.hidden_size))


def test_nothing_that_is_written_has_a_mean(tmp_path: Path) -> None:
    config = small_config(**BIASES)
    centred = centre_writes(read_checkpoint(write_checkpoint(tmp_path / "small", config)).weights)
    for layer in centred.layers:
        for linear in (layer.attention_output, layer.mlp_output):
            assert linear.bias is not None
            assert abs(linear.weight.value.mean(axis=0)).max() < 1e-7
            assert abs(linear.bias.value.mean()) < 1e-7


def test_the_scale_brings_massive_activations_into_range() -> None:
    config = parse_config(_json(small_config()))
    weights = arrange(config, random_tensors(config, seed=0, outliers=Outliers()))
    ids, mask = padded_sequences(config, lengths=(3, 20, 40))
    largest = norm_inputs(weights, ids, mask).sum_of_squares
    assert largest > 1e8
    scale = choose_residual_scale(largest)
    assert np.log2(scale) == int(np.log2(scale))
    scaled = fold_for_half_precision(weights, HalfPrecisionFolds(residual_scale=scale))
    assert norm_inputs(scaled, ids, mask).sum_of_squares <= LARGEST_SUM_OF_SQUARES * 1.01
    np.testing.assert_allclose(evaluate(scaled, ids, mask), evaluate(weights, ids, mask), rtol=0, atol=TOLERANCE)


def test_scaled_weights_keep_their_bits_in_fp16() -> None:
    config = parse_config(_json(small_config()))
    weights = arrange(config, random_tensors(config, seed=0))
    before = _errors_in_half_precision(weights)
    after = _errors_in_half_precision(scale_residual(fold_embedding_norm(weights), 2.0**-11))
    assert max(before) < 3e-4
    assert max(after) < 3e-4, "subnormal numbers have fewer bits"


def _errors_in_half_precision(weights: ModernBertWeights) -> list[float]:
    """Return what rounding changes in each matrix of the layers, as a share of its norm."""
    errors = []
    for layer in weights.layers:
        for linear in (layer.query_key_value, layer.attention_output, layer.mlp_input, layer.mlp_output):
            value = linear.weight.value.astype(np.float64)
            errors.append(float(np.linalg.norm(value.astype(np.float16) - value) / np.linalg.norm(value)))
    return errors


def test_what_is_in_range_is_not_scaled() -> None:
    assert choose_residual_scale(LARGEST_SUM_OF_SQUARES) == 1.0
    assert choose_residual_scale(LARGEST_SUM_OF_SQUARES * 1.01) == 0.5
    assert choose_residual_scale(LARGEST_SUM_OF_SQUARES * 2**16) == 2.0**-8


def _json(config: dict[str, Any]) -> str:
    import json

    return json.dumps(config)
