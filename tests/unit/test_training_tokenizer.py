"""Tokenizers trained here have the structure that the runtime and the exporter expect."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.processors import TemplateProcessing

from vibe_router.errors import CheckpointError
from vibe_router_training.tokenizer import (
    SPECIAL_TOKENS,
    encode,
    in_small_letters,
    load_tokenizer,
    read_tokenizer,
    train_tokenizer,
)

CORPUS = ["Write a thread-safe LRU cache in Python", "hello there", "café naïve"] * 5


def test_structure() -> None:
    data = json.loads(train_tokenizer(CORPUS, vocabulary_size=320).to_str())
    assert data["normalizer"] == {"type": "NFC"}
    assert data["pre_tokenizer"]["type"] == "ByteLevel"
    assert data["pre_tokenizer"]["add_prefix_space"] is False
    assert data["pre_tokenizer"]["use_regex"] is True
    assert [token["content"] for token in data["added_tokens"]] == list(SPECIAL_TOKENS)
    assert [token["id"] for token in data["added_tokens"]] == [0, 1, 2, 3, 4]
    assert len(data["model"]["vocab"]) <= 320


def test_the_same_prompts_give_the_same_tokenizer() -> None:
    first, second = (train_tokenizer(iter(CORPUS), vocabulary_size=300).to_str() for _ in range(2))
    assert first == second


def test_every_text_is_enclosed_and_can_be_written() -> None:
    tokenizer = train_tokenizer(CORPUS, vocabulary_size=300)
    rows = encode(tokenizer, ["", "日本語 🙂", "[SEP]"], max_tokens=64)
    assert rows[0] == [1, 2]
    assert tokenizer.decode(rows[1]) == "日本語 🙂"
    assert len(rows[2]) > 3, "special tokens in a prompt are text"


def test_small_letters_have_the_ids_of_capitals_and_the_vocabulary_stays() -> None:
    cased = train_tokenizer([*CORPUS, "SET A TIMER, ÜBER UNS"] * 3, vocabulary_size=300)
    uncased = in_small_letters(cased)
    assert uncased.get_vocab() == cased.get_vocab()
    for prompt in ("hello there", "über uns"):
        forms = [prompt, prompt.upper(), prompt.title(), prompt.upper().replace("Ü", "U\u0308")]
        assert [uncased.encode(form).ids for form in forms] == [cased.encode(prompt).ids] * 4
        assert cased.encode(prompt.upper()).ids != cased.encode(prompt).ids


def test_cutting_keeps_the_end() -> None:
    tokenizer = train_tokenizer(CORPUS, vocabulary_size=300)
    assert encode(tokenizer, ["hello there " * 50], max_tokens=8)[0][-1] == 2


def test_a_missing_or_foreign_tokenizer_is_a_checkpoint_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"has no config\.json"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError, match="does not read this tokenizer"):
        read_tokenizer(tmp_path / "tokenizer.json")


def test_a_tokenizer_that_could_not_be_exported_is_refused_before_a_fit(tmp_path: Path) -> None:
    tokenizer = Tokenizer(WordPiece({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "[PAD]": 3, "hello": 4}, unk_token="[UNK]"))
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
    tokenizer.save(str(tmp_path / "words.json"))
    with pytest.raises(CheckpointError, match="does not read this tokenizer"):
        read_tokenizer(tmp_path / "words.json")


def test_a_tokenizer_file_may_have_any_name(tmp_path: Path) -> None:
    train_tokenizer(CORPUS, vocabulary_size=300).save(str(tmp_path / "mine.json"))
    assert read_tokenizer(tmp_path / "mine.json").get_vocab_size() == 300
