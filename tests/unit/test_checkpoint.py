"""Reading a checkpoint: every form that transformers writes, and a named refusal of everything else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.support.checkpoints import write_checkpoint
from vibe_router.errors import CheckpointError
from vibe_router_export.checkpoint.checkpoint import read_checkpoint

Tensors = dict[str, np.ndarray]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "small")


def rewrite(folder: Path, change: Callable[[Tensors], Tensors]) -> None:
    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path)


def weights_of(folder: Path) -> np.ndarray:
    return read_checkpoint(folder).weights.layers[0].query_key_value.weight.value


def test_weights_are_read_as_float32(folder: Path) -> None:
    expected = load_file(folder / "model.safetensors")["model.layers.0.attn.Wqkv.weight"]
    assert weights_of(folder).dtype == np.float32
    np.testing.assert_array_equal(weights_of(folder), expected)


@pytest.mark.parametrize("kind", [np.float16, ml_dtypes.bfloat16])
def test_half_precision_is_widened_exactly(folder: Path, kind: type) -> None:
    full = weights_of(folder)
    rewrite(folder, lambda tensors: {name: tensor.astype(kind) for name, tensor in tensors.items()})
    np.testing.assert_array_equal(weights_of(folder), full.astype(kind).astype(np.float32))


def test_shards_are_read_as_one(folder: Path) -> None:
    whole = weights_of(folder)
    tensors = load_file(folder / "model.safetensors")
    names = sorted(tensors)
    shards = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for shard, part in shards.items():
        save_file({name: tensors[name] for name in part}, folder / shard)
    weight_map = {name: shard for shard, part in shards.items() for name in part}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    (folder / "model.safetensors").unlink()
    np.testing.assert_array_equal(weights_of(folder), whole)


def test_a_shard_outside_the_folder_is_refused(folder: Path) -> None:
    shutil.move(folder / "model.safetensors", folder.parent / "model.safetensors")
    index = {"weight_map": {"classifier.bias": "../model.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="outside"):
        read_checkpoint(folder)


def test_missing_surplus_and_misshapen_tensors_are_all_named(folder: Path) -> None:
    def damage(tensors: Tensors) -> Tensors:
        del tensors["model.final_norm.weight"]
        tensors["model.layers.9.extra"] = np.zeros((2, 3), np.float32)
        tensors["head.dense.weight"] = np.zeros((48, 47), np.float32)
        return tensors

    rewrite(folder, damage)
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(folder)
    message = caught.value.message
    assert "missing model.final_norm.weight [48]" in message
    assert "unexpected model.layers.9.extra [2, 3]" in message
    assert "head.dense.weight has shape [48, 47], config.json asks for [48, 48]" in message


@pytest.mark.parametrize(("kind", "named"), [(np.int8, "int8"), (np.float64, "float64")])
def test_other_number_formats_are_refused(folder: Path, kind: type, named: str) -> None:
    rewrite(folder, lambda tensors: tensors | {"classifier.bias": np.zeros(1, kind)})
    with pytest.raises(CheckpointError, match=f"classifier.bias .* {named}"):
        read_checkpoint(folder)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(folder: Path, value: float) -> None:
    rewrite(folder, lambda tensors: tensors | {"classifier.bias": np.array([value], np.float32)})
    with pytest.raises(CheckpointError, match="NaN or infinity"):
        read_checkpoint(folder)


def test_pickled_weights_are_refused_without_being_opened(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="pickled") as caught:
        read_checkpoint(folder)
    assert "safe_serialization" in caught.value.hint


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=name.replace(".", r"\.")):
        read_checkpoint(folder)


@pytest.mark.parametrize("content", [b"", b"\x08\0\0\0\0\0\0\0{}", b"\xff" * 100])
def test_a_damaged_weight_file_is_refused(folder: Path, content: bytes) -> None:
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError):
        read_checkpoint(folder)


def test_a_truncated_weight_file_is_refused(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="cannot read"):
        read_checkpoint(folder)


@pytest.mark.parametrize("source", ["./nowhere", "nowhere", "a/b/c", "~nobody-here/x"])
def test_a_path_that_is_not_there_is_not_looked_up_on_the_hub(source: str) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        read_checkpoint(source)


def test_the_folder_that_one_is_in_has_a_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert read_checkpoint(".").source == "small"
    (folder / "below").mkdir()
    monkeypatch.chdir(folder / "below")
    assert read_checkpoint("..").source == "small"


def hub_cache(root: Path, folder: Path) -> None:
    """Lay a checkpoint out as huggingface_hub caches it: a reference, a snapshot of links, blobs."""
    repository = root / "models--maker--router"
    commit = "0123456789abcdef0123456789abcdef01234567"
    snapshot = repository / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    (repository / "blobs").mkdir()
    for number, path in enumerate(sorted(folder.iterdir())):
        shutil.copyfile(path, repository / "blobs" / str(number))
        (snapshot / path.name).symlink_to(Path("../../blobs") / str(number))


def test_a_hub_id_is_read_from_the_cache_without_a_network(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub_cache(tmp_path / "hub", folder)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    checkpoint = read_checkpoint("maker/router")
    assert checkpoint.source == "maker/router"
    assert checkpoint.sha256 == read_checkpoint(folder).sha256


def test_a_hub_id_that_is_not_cached_is_refused_when_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError, match="maker/router") as caught:
        read_checkpoint("maker/router")
    assert caught.value.exit_code == 9


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("config.json", "_attn_implementation_internal", "stranger/kernel"),
        ("config.json", "attn_implementation", {"": "stranger/kernel"}),
        ("config.json", "auto_map", {"AutoConfig": "stranger.Config"}),
        ("config.json", "text_config", {"layers": [{"_attn_implementation": "stranger/kernel"}]}),
        ("tokenizer_config.json", "auto_map", {"AutoTokenizer": ["stranger.Tokenizer", None]}),
    ],
)
def test_a_checkpoint_that_names_code_is_refused(folder: Path, name: str, key: str, value: object) -> None:
    content = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps(content | {key: value}))
    with pytest.raises(CheckpointError, match="names code to run"):
        read_checkpoint(folder)


@pytest.mark.parametrize("key", ["_attn_implementation_autoset", "_attn_implementation"])
def test_what_transformers_itself_saves_about_attention_is_no_code(folder: Path, key: str) -> None:
    content = json.loads((folder / "config.json").read_text())
    value = True if key.endswith("autoset") else "sdpa"
    (folder / "config.json").write_text(json.dumps(content | {key: value}))
    assert read_checkpoint(folder).config.layers


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "router_config.json"])
@pytest.mark.parametrize("content", ["[" * 100_000, "{", "NaN x"])
def test_damaged_json_is_refused(folder: Path, name: str, content: str) -> None:
    (folder / name).write_text(content)
    with pytest.raises(CheckpointError):
        read_checkpoint(folder)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        # Each hung, or asked for all memory, before there was a limit.
        ("config.json", "num_hidden_layers", 2**53),
        ("config.json", "num_hidden_layers", 10**400),
        ("config.json", "hidden_size", 2**63),
        ("config.json", "vocab_size", 10**400),
        ("config.json", "global_rope_theta", 10**400),
        ("router_config.json", "temperature", 10**400),
    ],
)
def test_numbers_beyond_any_model_are_refused(folder: Path, name: str, key: str, value: int) -> None:
    content = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps(content | {key: value}))
    with pytest.raises(CheckpointError, match=key):
        read_checkpoint(folder)


def test_a_tensor_with_more_dimensions_than_numpy_has_is_refused(folder: Path) -> None:
    header = json.dumps({"x": {"dtype": "F32", "shape": [1] * 102, "data_offsets": [0, 4]}}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(CheckpointError, match="cannot read"):
        read_checkpoint(folder)
