"""Settings next to a model that transformers trips over, or that would lead it elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.checkpoints import small_config, write_checkpoint
from tests.support.training import tiny_model, tiny_tokenizer
from vibe_router.errors import CheckpointError
from vibe_router_export.checkpoint.checkpoint import read_checkpoint
from vibe_router_export.proof.reference import Reference
from vibe_router_training.checkpoint import write_checkpoint as write_trained
from vibe_router_training.model import load_model
from vibe_router_training.scoring import score_logits


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "small", small_config(num_hidden_layers=1))


def add(folder: Path, name: str, **settings: Any) -> Path:
    path = folder / name
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))
    return folder


@pytest.mark.parametrize("settings", [{"return_dict": False}, {"torchscript": True}])
def test_a_model_saved_to_give_tuples_is_scored(folder: Path, tmp_path: Path, settings: dict[str, Any]) -> None:
    expected = Reference(read_checkpoint(folder)).logit([1, 5, 2])
    assert Reference(read_checkpoint(add(folder, "config.json", **settings))).logit([1, 5, 2]) == expected
    write_trained(tmp_path / "trained", tiny_model(tiny_tokenizer()), tiny_tokenizer())
    once = score_logits(load_model(str(tmp_path / "trained")), tiny_tokenizer(), ["hi"])
    add(tmp_path / "trained", "config.json", **settings)
    again = score_logits(load_model(str(tmp_path / "trained")), tiny_tokenizer(), ["hi"])
    np.testing.assert_array_equal(again, once)


@pytest.mark.parametrize("settings", [{"additional_special_tokens": 5}, {"model_input_names": 5}])
def test_a_setting_of_the_wrong_type_is_a_checkpoint_error(folder: Path, settings: dict[str, Any]) -> None:
    checkpoint = read_checkpoint(add(folder, "tokenizer_config.json", **settings))
    with pytest.raises(CheckpointError, match="cannot load the checkpoint") as caught:
        Reference(checkpoint)
    assert caught.value.hint


@pytest.mark.parametrize("key", ["tokenizer_file", "vocab_file"])
def test_a_tokenizer_that_leads_to_another_file_is_refused(folder: Path, key: str) -> None:
    read_checkpoint(add(folder, "tokenizer_config.json", **{key: None}))
    with pytest.raises(CheckpointError, match=f"sets {key}, which leads to another file"):
        read_checkpoint(add(folder, "tokenizer_config.json", **{key: "/etc/passwd"}))


def test_a_path_that_transformers_wrote_once_and_never_opens_is_let_pass(folder: Path) -> None:
    expected = Reference(read_checkpoint(folder)).ids("hi", max_tokens=8)
    add(folder, "tokenizer_config.json", special_tokens_map_file="/etc/passwd")
    assert Reference(read_checkpoint(folder)).ids("hi", max_tokens=8) == expected
