"""The native engine computes what PyTorch and numpy compute, and the same bits however it is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from tests.support.checkpoints import write_checkpoint
from tests.support.native import matrix_names, native_checkpoint, native_config, native_engine, needs_native_engine
from tests.support.sequences import unpadded
from vibe_router.engines.native.engine import NativeEngine
from vibe_router.engines.native.library import supported_instructions
from vibe_router.engines.onnx.padding import pad
from vibe_router.errors import EngineError
from vibe_router.verify import FP32_TOLERANCE
from vibe_router_export.checkpoint.checkpoint import Checkpoint, read_checkpoint
from vibe_router_export.emit.numpy.quantized import evaluate_quantized
from vibe_router_export.emit.numpy.values import evaluate
from vibe_router_export.emit.quantize import MatrixFormat, int8_rows, lowered_by_token, restore_int8
from vibe_router_export.synthetic.checkpoint import Outliers

pytestmark = needs_native_engine

LONGEST = 130
BIASES = dict.fromkeys(("norm_bias", "attention_bias", "mlp_bias", "classifier_bias"), True)
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "heads of 16, mean": {},
    "heads of 16, cls, biases": {"classifier_pooling": "cls", **BIASES},
    "heads of 32, 32 neurons": {"num_attention_heads": 2, "intermediate_size": 32},
    "heads of 48, 160 neurons, biases": {"hidden_size": 192, "intermediate_size": 160, **BIASES},
    "heads of 64, 96 neurons, cls": {
        "hidden_size": 128,
        "num_attention_heads": 2,
        "intermediate_size": 96,
        "classifier_pooling": "cls",
    },
    "all global": {"global_attn_every_n_layers": 1},
    "narrow window": {"local_attention": 2},
    "wide window": {"local_attention": 128, "num_hidden_layers": 2},
    "another epsilon": {"norm_eps": 1e-2, "num_hidden_layers": 1},
}
# Around the multiples of what products, attention and threads cut a prompt into.
LENGTHS = sorted(
    {1, 2, 3, LONGEST} | {step * times + by for step in (6, 16, 32, 64) for times in (1, 2) for by in (-1, 0, 1)}
)


def sequences_of(checkpoint: Checkpoint) -> list[NDArray[np.int64]]:
    config = checkpoint.config
    random = np.random.default_rng(0)
    sequences = [random.integers(0, config.vocabulary_size, length) for length in LENGTHS]
    for sequence in sequences:
        sequence[0], sequence[-1] = config.cls_token_id, config.sep_token_id
    return sequences


def alone(engine: NativeEngine, sequences: list[NDArray[np.int64]]) -> NDArray[np.float32]:
    return np.concatenate([engine.logits([ids]) for ids in sequences])


def in_numpy(checkpoint: Checkpoint, sequences: list[NDArray[np.int64]], plan: Any) -> NDArray[np.float32]:
    """Return the logits with the roundings of a plan, one sequence at a time."""
    ones = [np.ones((1, len(ids)), np.int64) for ids in sequences]
    return np.concatenate(
        [
            evaluate_quantized(checkpoint.weights, ids[None], mask, plan=plan)
            for ids, mask in zip(sequences, ones, strict=True)
        ]
    )


def root_mean_square(values: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.square(values, dtype=np.float64).mean()))


@pytest.fixture(scope="module", params=CONFIGURATIONS, ids=lambda name: name.replace(", ", "-").replace(" ", "-"))
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A checkpoint whose embeddings int8 holds exactly: what is left is rounded where the file says so."""
    folder = tmp_path_factory.mktemp("native") / "small"
    changes = {"max_position_embeddings": LONGEST, **CONFIGURATIONS[request.param]}
    written = native_checkpoint(folder, **changes)
    tensors = load_file(folder / "model.safetensors")
    name = written.weights.token_embedding.name
    tensors[name] = restore_int8(int8_rows(tensors[name]))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return read_checkpoint(folder)


def test_with_every_matrix_exact_it_equals_pytorch_and_numpy(checkpoint: Checkpoint, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="parity is measured against PyTorch")
    from vibe_router_export.proof.reference import Reference

    sequences = sequences_of(checkpoint)
    logits = alone(native_engine(checkpoint, tmp_path / "model", exact=matrix_names(checkpoint)), sequences)
    reference = Reference(checkpoint)
    expected = np.array([reference.logit(ids.tolist()) for ids in sequences])
    assert expected.std() > 0.1, "a constant function would prove nothing"
    np.testing.assert_allclose(logits, expected, rtol=0, atol=FP32_TOLERANCE)
    exact = np.concatenate([evaluate(checkpoint.weights, ids[None], np.ones_like(ids[None])) for ids in sequences])
    np.testing.assert_allclose(logits, exact, rtol=0, atol=FP32_TOLERANCE)


def test_in_int8_it_rounds_as_the_plan_says(checkpoint: Checkpoint, tmp_path: Path) -> None:
    sequences = sequences_of(checkpoint)
    logits = alone(native_engine(checkpoint, tmp_path / "model"), sequences)
    emulated = in_numpy(checkpoint, sequences, lowered_by_token(checkpoint.weights))
    rounding = root_mean_square(logits - in_numpy(checkpoint, sequences, {}))
    assert rounding > 0.005, "nothing was rounded"
    # Not equal: sums are added up in another order, so that a value next to half a step goes up here and down there.
    # Such a step is a whole one where rounding alone is half of one at most, but of one value among hundreds.
    assert root_mean_square(logits - emulated) < 0.3 * rounding


@pytest.mark.parametrize("kind", ["attn.Wqkv", "attn.Wo", "mlp.Wi", "mlp.Wo"])
def test_one_matrix_in_int8_is_numpys_almost_always(kind: str, checkpoint: Checkpoint, tmp_path: Path) -> None:
    names = matrix_names(checkpoint)
    low = next(name for name in names if kind in name)
    sequences = sequences_of(checkpoint)
    engine = native_engine(checkpoint, tmp_path / "model", exact=[name for name in names if name != low])
    emulated = in_numpy(checkpoint, sequences, {low: MatrixFormat.INT8_TOKENS})
    differences = np.abs(alone(engine, sequences) - emulated)
    # Where no value lies next to half a step, what is left is fp32's own noise.
    assert np.median(differences) < 1e-5
    assert root_mean_square(emulated - in_numpy(checkpoint, sequences, {})) > 20 * np.median(differences)


def test_batches_and_threads_change_no_bit(checkpoint: Checkpoint, tmp_path: Path) -> None:
    sequences = sequences_of(checkpoint)
    expected = alone(native_engine(checkpoint, tmp_path / "model"), sequences)
    # Seven have shares without an item.
    for threads in (1, 2, 3, 7):
        engine = native_engine(checkpoint, tmp_path / f"model-{threads}", threads=threads)
        np.testing.assert_array_equal(alone(engine, sequences), expected)
        ids, mask = pad(sequences, pad_token_id=checkpoint.config.pad_token_id)
        np.testing.assert_array_equal(engine.logits(unpadded(ids, mask)), expected)
        # Whatever stands in the padding, and in whatever order.
        ids = np.where(mask.astype(bool), ids, checkpoint.config.cls_token_id)
        np.testing.assert_array_equal(engine.logits(unpadded(ids[::-1], mask[::-1])), expected[::-1])
        for size in (2, 5):
            ids, mask = pad(sequences[-size:], pad_token_id=checkpoint.config.pad_token_id)
            np.testing.assert_array_equal(engine.logits(unpadded(ids, mask)), expected[-size:])


def test_all_instructions_give_the_same_bits(checkpoint: Checkpoint, tmp_path: Path) -> None:
    sequences = sequences_of(checkpoint)
    exact = matrix_names(checkpoint)[1:3]
    first, *others = [
        alone(native_engine(checkpoint, tmp_path / one.name, exact=exact, instructions=one), sequences)
        for one in supported_instructions()
    ]
    if not others:
        pytest.skip(f"this processor has {supported_instructions()[0].name} only")
    for logits in others:
        np.testing.assert_array_equal(logits, first)


def test_massive_activations_are_as_in_numpy_and_their_writer_can_be_kept(tmp_path: Path) -> None:
    config = native_config(max_position_embeddings=LONGEST)
    checkpoint = read_checkpoint(write_checkpoint(tmp_path / "spiked", config, outliers=Outliers(peak=3_000.0)))
    sequences = [ids for ids in sequences_of(checkpoint) if len(ids) > 2]
    exact = in_numpy(checkpoint, sequences, {})
    plan = lowered_by_token(checkpoint.weights)
    every = alone(native_engine(checkpoint, tmp_path / "every"), sequences)
    assert root_mean_square(every - in_numpy(checkpoint, sequences, plan)) < 0.3 * root_mean_square(every - exact)
    # A massive value spoils its own token only, but the outsized weights that write it spoil their rows: three of 64.
    kept = alone(native_engine(checkpoint, tmp_path / "kept", exact=["model.layers.2.mlp.Wo.weight"]), sequences)
    assert root_mean_square(kept - exact) < 0.6 * root_mean_square(every - exact)


def test_a_closed_engine_says_so(tmp_path: Path) -> None:
    checkpoint = native_checkpoint(tmp_path / "small", num_hidden_layers=1)
    engine = native_engine(checkpoint, tmp_path / "model")
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.logits(unpadded(np.array([[1, 2]]), np.array([[1, 1]])))
