"""Files of a checkpoint that are no files, lead elsewhere, never end, or hold what no bundle could pass on."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from tests.support.checkpoints import write_checkpoint
from vibe_router.errors import CheckpointError
from vibe_router_export.checkpoint.checkpoint import read_checkpoint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "small")


def test_a_shard_that_is_not_there_is_named(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    shards = {"classifier.bias": "model-00002-of-00002.safetensors", "x": "model-00001-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    with pytest.raises(CheckpointError, match=r"lacks model-00002-of-00002\.safetensors"):
        read_checkpoint(folder)


_FILES = ["config.json", "tokenizer.json", "tokenizer_config.json", "router_config.json", "TRAINING.md"]


@pytest.mark.parametrize("name", [*_FILES, "model.safetensors"])
@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_what_is_no_file_is_refused_at_once(folder: Path, name: str, kind: str) -> None:
    (folder / name).unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(folder / name)
    else:
        (folder / name).mkdir()
    with pytest.raises(CheckpointError, match=name):
        read_checkpoint(folder)


@pytest.mark.parametrize("name", _FILES)
def test_a_link_is_not_followed_into_other_folders(folder: Path, name: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes((folder / name).read_bytes() if (folder / name).exists() else b"private")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(secret)
    with pytest.raises(CheckpointError, match="through a link") as caught:
        read_checkpoint(folder)
    assert "plain file" in caught.value.hint


@pytest.mark.parametrize("name", _FILES)
def test_text_in_another_encoding_or_without_an_end_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_bytes('{"x": "é"}'.encode("latin-1"))
    with pytest.raises(CheckpointError):
        read_checkpoint(folder)
    with (folder / name).open("wb") as file:
        file.truncate(2**26 + 1)
    with pytest.raises(CheckpointError, match="bytes"):
        read_checkpoint(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "router_config.json"])
@pytest.mark.parametrize(
    ("text", "named"),
    [("NaN", "NaN"), ("-Infinity", "Infinity"), ('"\\ud83d"', "lone surrogate"), ('1, "added": 2', "twice")],
)
def test_what_a_bundle_could_not_pass_on_is_refused(folder: Path, name: str, text: str, named: str) -> None:
    content = (folder / name).read_text().rstrip().removesuffix("}")
    (folder / name).write_text(f'{content}, "added": {text}}}')
    with pytest.raises(CheckpointError, match=named):
        read_checkpoint(folder)


@pytest.mark.parametrize(
    ("file", "key", "value", "named"),
    [
        ("tokenizer.json", "normalizer", {"type": "BertNormalizer"}, "does not read this tokenizer"),
        ("tokenizer.json", "model", {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}, "does not read"),
        ("tokenizer_config.json", "truncation_side", "left", "cut on the left"),
        (
            "tokenizer.json",
            "truncation",
            {"direction": "Left", "max_length": 9, "strategy": "LongestFirst", "stride": 0},
            "cut on the left",
        ),
    ],
)
def test_a_tokenizer_is_judged_before_weights_are_read(
    folder: Path, file: str, key: str, value: object, named: str
) -> None:
    content = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(content | {key: value}))
    (folder / "model.safetensors").write_bytes(b"not read before the tokenizer is judged")
    with pytest.raises(CheckpointError, match=named) as caught:
        read_checkpoint(folder)
    assert caught.value.hint


def test_ids_without_a_row_in_the_table_are_refused(folder: Path) -> None:
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(content | {"vocab_size": content["vocab_size"] - 1}))
    with pytest.raises(CheckpointError, match="has the id"):
        read_checkpoint(folder)


def test_ids_that_the_model_never_reads_may_lie_outside_the_vocabulary(folder: Path) -> None:
    content = json.loads((folder / "config.json").read_text())
    unused = {"cls_token_id": 50281, "sep_token_id": 50282, "bos_token_id": 50281, "eos_token_id": 50282}
    (folder / "config.json").write_text(json.dumps(content | unused))
    assert read_checkpoint(folder).config.layers


def test_an_adapter_is_refused_with_the_way_to_merge_it(folder: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    (folder / "model.safetensors").rename(adapter / "adapter_model.safetensors")
    with pytest.raises(CheckpointError, match="is an adapter") as caught:
        read_checkpoint(adapter)
    assert "merge_and_unload" in caught.value.hint


def test_an_adapter_among_the_weights_is_refused_with_the_way_to_merge_it(folder: Path) -> None:
    path = folder / "model.safetensors"
    save_file({f"base_model.model.{name}": tensor for name, tensor in load_file(path).items()}, path)
    with pytest.raises(CheckpointError, match="not merged") as caught:
        read_checkpoint(folder)
    assert "merge_and_unload" in caught.value.hint
