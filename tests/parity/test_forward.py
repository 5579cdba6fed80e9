"""The emitted graph computes what transformers computes, for every configuration that the reader accepts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.checkpoints import small_config, write_checkpoint
from tests.support.sequences import unpadded
from vibe_router.engines.onnx.cpu import OnnxCpuEngine
from vibe_router.engines.onnx.padding import pad
from vibe_router.verify import FP32_TOLERANCE
from vibe_router_export.checkpoint.checkpoint import Checkpoint, read_checkpoint
from vibe_router_export.emit.numpy.values import evaluate
from vibe_router_export.emit.onnx.attention import BLOCK, VERY_LONG, blocks_from
from vibe_router_export.emit.onnx.file import write_onnx
from vibe_router_export.emit.onnx.graph import build_onnx
from vibe_router_export.fold.folds import centre_residual, fold_temperature

pytest.importorskip("torch", reason="parity is measured against PyTorch")
reference = pytest.importorskip("vibe_router_export.proof.reference")

CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "mean pooling": {},
    "cls pooling": {"classifier_pooling": "cls"},
    "biases everywhere": {"norm_bias": True, "attention_bias": True, "mlp_bias": True, "classifier_bias": True},
    "one layer": {"num_hidden_layers": 1},
    "seven layers": {"num_hidden_layers": 7},
    "all global": {"global_attn_every_n_layers": 1},
    "narrow window": {"local_attention": 2},
    "odd window": {"local_attention": 5},
    "other thetas": {"global_rope_theta": 500.0, "local_rope_theta": 50.0},
    "one head": {"num_attention_heads": 1},
    "wide": {"hidden_size": 96, "intermediate_size": 40, "num_attention_heads": 12},
    "another epsilon": {"norm_eps": 1e-2},
    "transformers 5 keys": {
        "global_rope_theta": None,
        "local_rope_theta": None,
        "global_attn_every_n_layers": None,
        "layer_types": ["full_attention", "sliding_attention", "full_attention", "sliding_attention"],
        "rope_parameters": {
            "full_attention": {"rope_type": "default", "rope_theta": 500.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 50.0},
        },
    },
}
LENGTHS = (2, 3, 9, 17, 33, 64, 100)


def random_ids(checkpoint: Checkpoint, length: int) -> NDArray[np.int64]:
    config = checkpoint.config
    ids = np.random.default_rng(length).integers(0, config.vocabulary_size, length)
    ids[0], ids[-1] = config.cls_token_id, config.sep_token_id
    return ids


@pytest.fixture(params=CONFIGURATIONS, ids=lambda name: name.replace(" ", "-"))
def checkpoint(request: pytest.FixtureRequest, tmp_path: Path) -> Checkpoint:
    return read_checkpoint(write_checkpoint(tmp_path / "small", small_config(**CONFIGURATIONS[request.param])))


def engine_for(
    checkpoint: Checkpoint, folder: Path, *, temperature: float = 1.0, max_tokens: int = 128
) -> OnnxCpuEngine:
    path = folder / "model.onnx"
    folded = centre_residual(fold_temperature(checkpoint.weights, temperature))
    write_onnx(build_onnx(folded, max_tokens=max_tokens), path)
    return OnnxCpuEngine(path, file=path.name, precision="fp32", pad_token_id=0, threads=1)


def test_onnx_and_numpy_equal_transformers(checkpoint: Checkpoint, tmp_path: Path) -> None:
    torch_model = reference.Reference(checkpoint)
    engine = engine_for(checkpoint, tmp_path)
    sequences = [random_ids(checkpoint, length) for length in LENGTHS]
    expected = np.array([torch_model.logit(ids) for ids in sequences])
    assert expected.std() > 0.1, "a constant function would prove nothing"

    alone = np.concatenate([engine.logits([ids]) for ids in sequences])
    np.testing.assert_allclose(alone, expected, rtol=0, atol=FP32_TOLERANCE)

    padded = np.full((len(sequences), max(LENGTHS)), checkpoint.config.pad_token_id)
    mask = np.zeros_like(padded)
    for row, ids in enumerate(sequences):
        padded[row, : len(ids)], mask[row, : len(ids)] = ids, 1
    np.testing.assert_allclose(engine.logits(unpadded(padded, mask)), expected, rtol=0, atol=FP32_TOLERANCE)
    np.testing.assert_allclose(evaluate(checkpoint.weights, padded, mask), expected, rtol=0, atol=FP32_TOLERANCE)


@pytest.mark.parametrize("window", [64, 8, 1])
def test_each_way_to_attend_equals_transformers(tmp_path: Path, window: int) -> None:
    """Around the lengths where the window begins to cut, and where the graph goes from a mask to blocks and flash."""
    config = small_config(local_attention=2 * window, max_position_embeddings=1280, num_hidden_layers=3)
    checkpoint = read_checkpoint(write_checkpoint(tmp_path / "small", config))
    torch_model = reference.Reference(checkpoint)
    engine = engine_for(checkpoint, tmp_path, max_tokens=VERY_LONG + 1)
    around = (window + 1, 2 * window + 1, blocks_from(window), blocks_from(window) + BLOCK, VERY_LONG)
    lengths = sorted({max(2, length + step) for length in around for step in (-1, 0, 1)})
    sequences = [random_ids(checkpoint, length) for length in lengths]
    expected = np.array([torch_model.logit(ids) for ids in sequences])

    alone = np.concatenate([engine.logits([ids]) for ids in sequences])
    np.testing.assert_allclose(alone, expected, rtol=0, atol=FP32_TOLERANCE)
    for place, ids in enumerate(sequences):
        twice = np.stack([ids, ids])
        np.testing.assert_allclose(
            engine.logits(unpadded(twice, np.ones_like(twice))), expected[[place, place]], rtol=0, atol=FP32_TOLERANCE
        )
    for longest in range(1, len(sequences) + 1):
        padded, mask = pad(sequences[:longest], pad_token_id=checkpoint.config.pad_token_id)
        np.testing.assert_allclose(
            engine.logits(unpadded(padded, mask)), expected[:longest], rtol=0, atol=FP32_TOLERANCE
        )


def test_what_stands_in_padding_does_not_matter(tmp_path: Path) -> None:
    checkpoint = read_checkpoint(write_checkpoint(tmp_path / "small"))
    engine = engine_for(checkpoint, tmp_path)
    ids = random_ids(checkpoint, 40)[None].repeat(2, axis=0)
    mask = (np.arange(40) < 15).astype(np.int64)[None].repeat(2, axis=0)
    ids[1, 15:] = checkpoint.config.cls_token_id
    first, second = engine.logits(unpadded(ids, mask))
    assert first == second


def test_folding_divides_the_logit_by_the_temperature(tmp_path: Path) -> None:
    checkpoint = read_checkpoint(write_checkpoint(tmp_path / "small"))
    ids = np.stack([random_ids(checkpoint, 30) for _ in range(4)])
    ids[:, 5] = np.arange(4)
    mask = np.ones_like(ids)
    plain = engine_for(checkpoint, tmp_path).logits(unpadded(ids, mask))
    folded = engine_for(checkpoint, tmp_path, temperature=1.7).logits(unpadded(ids, mask))
    np.testing.assert_allclose(folded, plain / 1.7, rtol=0, atol=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_probability_output_is_the_sigmoid_of_the_logit_and_both_have_the_stated_shape(
    tmp_path: Path, pooling: str
) -> None:
    import onnxruntime

    checkpoint = read_checkpoint(write_checkpoint(tmp_path / "small", small_config(classifier_pooling=pooling)))
    path = tmp_path / "model.onnx"
    write_onnx(build_onnx(checkpoint.weights, max_tokens=128), path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    ids = random_ids(checkpoint, 20)[None]
    logits, p_cloud = session.run(["logits", "p_cloud"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})
    assert logits.shape == p_cloud.shape == (1, 1)
    np.testing.assert_allclose(p_cloud, 1 / (1 + np.exp(-logits)), atol=1e-6)


def test_big_constants_go_to_a_data_file_and_the_graph_computes_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = read_checkpoint(write_checkpoint(tmp_path / "small"))
    ids = random_ids(checkpoint, 20)[None]
    single = engine_for(checkpoint, tmp_path).logits(unpadded(ids, np.ones_like(ids)))
    assert not (tmp_path / "model.onnx_data").exists()
    monkeypatch.setattr("vibe_router_export.emit.onnx.file._SINGLE_FILE_BYTES", 0)
    split = engine_for(checkpoint, tmp_path).logits(unpadded(ids, np.ones_like(ids)))
    assert (tmp_path / "model.onnx_data").stat().st_size > 10 * (tmp_path / "model.onnx").stat().st_size
    np.testing.assert_array_equal(split, single)


def test_transformers_4_cannot_stand_in_for_a_pattern_it_cannot_express(tmp_path: Path) -> None:
    import transformers

    if int(transformers.__version__.split(".")[0]) >= 5:
        pytest.skip("transformers 5 runs any layer pattern")
    types = ["sliding_attention", "full_attention", "full_attention", "sliding_attention"]
    config = small_config(**CONFIGURATIONS["transformers 5 keys"] | {"layer_types": types})
    checkpoint = read_checkpoint(write_checkpoint(tmp_path / "small", config))
    with pytest.raises(Exception, match="cannot run this pattern"):
        reference.Reference(checkpoint)
    assert json.loads((tmp_path / "small" / "config.json").read_text())["layer_types"] == types
