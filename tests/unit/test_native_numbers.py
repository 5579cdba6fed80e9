"""Numbers that no model has, in a file of the native engine: all instructions give the same logit, or none does."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.native import matrix_names, native_checkpoint, needs_native_engine
from vibe_router.engines.native.library import supported_instructions
from vibe_router_export.checkpoint.checkpoint import Checkpoint
from vibe_router_export.emit.native.file import native_architecture, open_native, write_native

pytestmark = needs_native_engine
LAYER = "model.layers.1"
LENGTHS = (1, 2, 7, 13, 40)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """The first token decides, and sees few of the others: what is wrong with those may not reach it."""
    folder = tmp_path_factory.mktemp("checkpoint") / "small"
    return native_checkpoint(folder, classifier_pooling="cls", local_attention=4, num_attention_heads=2)


@pytest.fixture(scope="module")
def mean_of_all(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """All tokens decide, each with the few that it sees."""
    folder = tmp_path_factory.mktemp("checkpoint") / "mean"
    return native_checkpoint(folder, local_attention=4, num_attention_heads=2)


def altered(checkpoint: Checkpoint, path: Path, tensor: str, *, exact: bool) -> tuple[NDArray[np.float32], bytearray]:
    """Write the file, with float matrices if `exact`; return a tensor's numbers in its bytes, and these."""
    names = matrix_names(checkpoint) if exact else []
    write_native(checkpoint.weights, native_architecture(checkpoint.weights, max_tokens=64, exact=names), path)
    content = bytearray(path.read_bytes())
    (length,) = struct.unpack("<Q", content[:8])
    begin, end = json.loads(content[8 : 8 + length])[tensor]["data_offsets"]
    return np.frombuffer(memoryview(content)[8 + length + begin : 8 + length + end], np.float32), content


def logits(checkpoint: Checkpoint, path: Path) -> list[NDArray[np.float32]]:
    """Return those of a few sequences, in each instruction set of this processor."""
    random = np.random.default_rng(0)
    sequences = [random.integers(0, checkpoint.config.vocabulary_size, length) for length in LENGTHS]
    found = []
    for instructions in supported_instructions():
        engine = open_native(path, file=path.name, threads=1, instructions=instructions)
        found.append(engine.logits(sequences))
        engine.close()
    return found


@pytest.mark.parametrize("exact", [False, True], ids=["int8", "float"])
@pytest.mark.parametrize(
    ("tensor", "places"),
    [
        pytest.param(f"{LAYER}.attn.Wqkv.weight", slice(100, 101), id="one weight of attention"),
        pytest.param(f"{LAYER}.attn.Wo.weight", slice(-1, None), id="the last weight after attention"),
        pytest.param(f"{LAYER}.mlp.Wi.weight", slice(0, 1), id="the first weight of the MLP"),
        pytest.param(f"{LAYER}.mlp_norm.weight", slice(5, 6), id="a norm"),
        pytest.param("model.embeddings.tok_embeddings.weight.scales", slice(None), id="the embedding"),
        pytest.param("head.dense.weight", slice(3, 4), id="the head"),
    ],
)
@pytest.mark.parametrize("value", [np.nan, -np.nan, np.inf, -np.inf], ids=["nan", "-nan", "inf", "-inf"])
def test_what_is_not_finite_gives_no_logit(
    checkpoint: Checkpoint, tmp_path: Path, tensor: str, places: slice, value: float, exact: bool
) -> None:
    if not exact and tensor.endswith((".Wqkv.weight", ".Wo.weight", ".Wi.weight")):
        tensor += ".scales"
    numbers, content = altered(checkpoint, tmp_path / "model.safetensors", tensor, exact=exact)
    numbers[places] = value
    (tmp_path / "model.safetensors").write_bytes(content)
    for found in logits(checkpoint, tmp_path / "model.safetensors"):
        assert not np.isfinite(found).any(), found


@pytest.mark.parametrize("factor", [1e15, -1e15, 1e18, 1e30, 3e38])
@pytest.mark.parametrize("exact", [False, True], ids=["int8", "float"])
def test_scores_of_any_size_weigh_what_is_beyond_the_window_alike(
    mean_of_all: Checkpoint, tmp_path: Path, factor: float, exact: bool
) -> None:
    tensor = f"{LAYER}.attn.Wqkv.weight" + ("" if exact else ".scales")
    numbers, content = altered(mean_of_all, tmp_path / "model.safetensors", tensor, exact=exact)
    with np.errstate(over="ignore"):
        numbers *= np.float32(factor)
    (tmp_path / "model.safetensors").write_bytes(content)
    first, *others = logits(mean_of_all, tmp_path / "model.safetensors")
    for other in others:
        same = (first.view(np.uint32) == other.view(np.uint32)) | ~(np.isfinite(first) | np.isfinite(other))
        assert same.all(), (first, other)
