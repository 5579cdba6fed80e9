"""The native engine's file: every matrix comes back from its panels, and other readers of safetensors read it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from tests.support.native import native_checkpoint, native_config
from vibe_router.bundle.strict_json import read_record
from vibe_router.engines.native.format import FORMAT, NativeArchitecture, TensorType, expected_tensors
from vibe_router.errors import CheckpointError
from vibe_router_export.checkpoint.checkpoint import Checkpoint
from vibe_router_export.checkpoint.config import parse_config
from vibe_router_export.checkpoint.weights import Linear, arrange
from vibe_router_export.emit.native.file import int8_panels, native_architecture, write_native
from vibe_router_export.emit.quantize import encoder_linears, int8_rows
from vibe_router_export.emit.rope import rope_tables
from vibe_router_export.synthetic.checkpoint import random_tensors

EXACT = ("model.layers.1.mlp.Wi.weight", "model.layers.2.attn.Wo.weight")
BIASES = dict.fromkeys(("norm_bias", "attention_bias", "mlp_bias", "classifier_bias"), True)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """96 neurons: what `mlp.Wo` reads does not divide by 64."""
    return native_checkpoint(tmp_path_factory.mktemp("native") / "small", intermediate_size=96, **BIASES)


@pytest.fixture(scope="module")
def file(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("native") / "model.safetensors"
    write_native(checkpoint.weights, native_architecture(checkpoint.weights, max_tokens=100, exact=EXACT), path)
    return path


@pytest.fixture(scope="module")
def tensors(file: Path) -> dict[str, np.ndarray]:
    return dict(load_file(file))


def rows_of_strips(panels: np.ndarray) -> np.ndarray:
    """Return [outputs, inputs] of int8 panels [panels, groups, 64, 4] or float panels [panels, inputs, 64]."""
    if panels.ndim == 3:
        return np.concatenate([strip.T for strip in panels])
    count, groups, outputs, inputs = panels.shape
    rows = np.empty((count * outputs, groups * inputs), panels.dtype)
    for strip in range(count):
        for group in range(groups):
            rows[strip * outputs : (strip + 1) * outputs, group * inputs : (group + 1) * inputs] = panels[strip, group]
    return rows


def in_place_of_gates(rows: np.ndarray) -> np.ndarray:
    """Return rows of which 16 that are activated and 16 that gate them take turns, as the checkpoint has them."""
    groups = rows.reshape(-1, 32, *rows.shape[1:])
    return np.concatenate([*(group[:16] for group in groups), *(group[16:] for group in groups)])


def stored(linear: Linear, tensors: dict[str, np.ndarray], suffix: str = "") -> np.ndarray:
    """Return a tensor of a matrix as rows in the checkpoint's order, filled up."""
    name = f"{linear.weight.name}{suffix}"
    rows = tensors[name] if suffix else rows_of_strips(tensors[name])
    return in_place_of_gates(rows) if ".mlp.Wi." in name else rows


@pytest.mark.parametrize("shape", [(1, 1), (64, 64), (65, 130), (192, 96)])
def test_strips_hold_a_matrix_and_zeros(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(0).integers(-127, 128, shape).astype(np.int8)
    rows = rows_of_strips(int8_panels(values))
    assert rows.shape == tuple(-(-size // 64) * 64 for size in shape)
    np.testing.assert_array_equal(rows[: shape[0], : shape[1]], values)
    assert not rows[shape[0] :].any()
    assert not rows[:, shape[1] :].any()


def test_every_int8_matrix_comes_back(checkpoint: Checkpoint, tensors: dict[str, np.ndarray]) -> None:
    low = [linear for linear in encoder_linears(checkpoint.weights) if linear.weight.name not in EXACT]
    assert len(low) == 4 * len(checkpoint.config.layers) - len(EXACT)
    for linear in low:
        rows = int8_rows(linear.weight.value)
        values = stored(linear, tensors)
        outputs, inputs = rows.values.shape
        np.testing.assert_array_equal(values[:outputs, :inputs], rows.values)
        assert not values[:, inputs:].any()
        np.testing.assert_array_equal(stored(linear, tensors, ".scales"), rows.scales)
        # What is added to activations to make them unsigned, times the weights, is taken off again.
        sums = rows.values.astype(np.int64).sum(axis=1)
        np.testing.assert_array_equal(stored(linear, tensors, ".offsets"), -128 * sums)


def test_exact_matrices_and_the_head_stay_float(checkpoint: Checkpoint, tensors: dict[str, np.ndarray]) -> None:
    weights = checkpoint.weights
    for linear in (weights.layers[1].mlp_input, weights.layers[2].attention_output, weights.head_dense):
        np.testing.assert_array_equal(stored(linear, tensors), linear.weight.value)
        assert f"{linear.weight.name}.scales" not in tensors
    np.testing.assert_array_equal(tensors["classifier.weight"], weights.classifier.weight.value[0])


def test_gates_lie_beside_what_they_gate(checkpoint: Checkpoint, tensors: dict[str, np.ndarray]) -> None:
    layer = checkpoint.weights.layers[0]
    gates = checkpoint.config.intermediate_size
    values = int8_rows(layer.mlp_input.weight.value).values
    rows = rows_of_strips(tensors[layer.mlp_input.weight.name])
    for group in range(gates // 16):
        first, second = rows[32 * group : 32 * group + 16], rows[32 * group + 16 : 32 * group + 32]
        np.testing.assert_array_equal(first, values[16 * group : 16 * group + 16])
        np.testing.assert_array_equal(second, values[gates + 16 * group : gates + 16 * group + 16])


def test_biases_and_embeddings_and_positions_are_there(checkpoint: Checkpoint, tensors: dict[str, np.ndarray]) -> None:
    weights = checkpoint.weights
    for linear in encoder_linears(weights):
        assert linear.bias is not None
        bias = tensors[linear.bias.name]
        np.testing.assert_array_equal(
            in_place_of_gates(bias) if ".Wi." in linear.bias.name else bias, linear.bias.value
        )
    table = int8_rows(weights.token_embedding.value)
    name = weights.token_embedding.name
    np.testing.assert_array_equal(tensors[name][: len(table.values)], table.values)
    np.testing.assert_array_equal(tensors[f"{name}.scales"][: len(table.scales)], table.scales)
    # 100 tokens, filled up to a multiple of 64.
    for theta in (10000.0, 160000.0):
        for part, expected in zip(("cosine", "sine"), rope_tables(128, 16, theta), strict=True):
            np.testing.assert_array_equal(tensors[f"rope.{part}.{theta!r}"], expected)


def test_every_tensor_begins_at_a_multiple_of_64_bytes(file: Path, tensors: dict[str, np.ndarray]) -> None:
    content = file.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    assert start % 64 == 0
    entries = json.loads(content[8:start])
    metadata = entries.pop("__metadata__")
    assert set(entries) == set(tensors)
    places = sorted(entry["data_offsets"] for entry in entries.values())
    assert all(begin % 64 == 0 for begin, _ in places)
    assert [begin for begin, _ in places[1:]] == [end for _, end in places[:-1]]
    assert start + places[-1][1] == len(content)
    assert metadata["format"] == FORMAT


def test_the_file_says_what_the_model_is(file: Path, checkpoint: Checkpoint, tensors: dict[str, np.ndarray]) -> None:
    with safe_open(file, framework="np") as opened:
        said = json.loads(opened.metadata()["architecture"])
    architecture: NativeArchitecture = read_record(NativeArchitecture, said, "architecture")
    assert architecture == native_architecture(checkpoint.weights, max_tokens=100, exact=EXACT)
    assert said == json.loads(json.dumps(asdict(architecture)))
    expected = expected_tensors(architecture)
    types = {TensorType.INT8: np.int8, TensorType.INT32: np.int32, TensorType.FLOAT32: np.float32}
    assert {name: (tensor.dtype, tensor.shape) for name, tensor in tensors.items()} == {
        name: (np.dtype(types[tensor.type]), tensor.shape) for name, tensor in expected.items()
    }


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"hidden_size": 48}, "hidden_size 48 is not a multiple of 64"),
        ({"intermediate_size": 80}, "intermediate_size 80 is not a multiple of 32"),
        ({"num_attention_heads": 8}, "8 heads of hidden_size 64 are not of a width of 16, 32, 48 or 64"),
        ({"hidden_size": 128, "num_attention_heads": 1}, "1 heads of hidden_size 128"),
    ],
)
def test_a_model_that_the_engine_cannot_run_is_refused_by_name(changes: dict[str, Any], named: str) -> None:
    config = parse_config(json.dumps(native_config(**changes)))
    weights = arrange(config, random_tensors(config, seed=0))
    with pytest.raises(CheckpointError, match=named) as caught:
        native_architecture(weights, max_tokens=64)
    assert "--precision int8" in caught.value.hint
