"""Examples, their division by prompt hash, and the order of batches."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.training import examples, tiny_tokenizer, write_rows
from vibe_router.errors import DataError
from vibe_router_export.commands.inputs import read_prompts as prompts_for_an_export
from vibe_router_training.batches import Collate, Item, Items, SimilarLengths
from vibe_router_training.data import (
    Split,
    bucket,
    examples_of,
    read_examples,
    read_prompts,
    select,
    split_of,
    train_and_validation,
)


def test_a_prompt_falls_on_the_same_side_always() -> None:
    assert bucket("hi") == bucket(" hi\n") == 2
    assert split_of("hi") is Split.TRAIN


def test_the_split_is_about_eighty_ten_ten() -> None:
    counts = np.bincount([bucket(f"prompt {number}") for number in range(5000)], minlength=10)
    assert counts.min() > 400
    assert counts.max() < 600


def test_copies_do_not_straddle(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "data.jsonl", 300)
    path.write_text(path.read_text() * 2)
    train, validation = train_and_validation(read_examples(path), "data")
    assert not set(train.prompts) & set(validation.prompts)
    test = select(read_examples(path), [Split.TEST])
    assert len(train.prompts) + len(validation.prompts) + len(test.prompts) == 600


def test_examples_carry_the_soft_label(tmp_path: Path) -> None:
    rows = examples_of(read_examples(write_rows(tmp_path / "data.jsonl", 4)))
    assert rows[0].p_teacher == pytest.approx(1 / (1 + np.exp(1)))
    assert rows[1].p_teacher == pytest.approx(1 / (1 + np.exp(-2.5)))
    assert {row.weight for row in rows} == {1.0}


def test_a_split_without_both_classes_is_named(tmp_path: Path) -> None:
    data = read_examples(write_rows(tmp_path / "data.jsonl", 5))
    with pytest.raises(DataError, match=r"data.jsonl: the \w+ split, \d+ of 5 rows, does not hold both classes"):
        train_and_validation(data, "data.jsonl")


def test_unlabelled_prompts_keep_their_source(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "hi", "source": "clinc150"}\n{"prompt": "yo"}\n')
    assert [(row.prompt, row.source) for row in read_prompts(path)] == [("hi", "clinc150"), ("yo", "")]


def test_half_an_emoji_is_read_as_the_runtime_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(
        '{"prompt": "cut \\ud83d", "source": "\\udfff", "p_teacher": 0.9}\n{"prompt": "a", "p_teacher": 0}\n'
    )
    assert [row.prompt for row in examples_of(read_examples(path))] == ["cut \ufffd", "a"]
    assert [(row.prompt, row.source) for row in read_prompts(path)] == [("cut \ufffd", "\ufffd"), ("a", "")]
    assert prompts_for_an_export(path) == ["cut \ufffd", "a"]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("not json", "not valid JSON"),
        ("{}", "no prompt"),
        ('{"prompt": "a", "p_teacher": 1.5}', "p_teacher is 1.5"),
        ('{"prompt": "a", "p_teacher": NaN}', "NaN"),
        ('{"prompt": "a"}', "no label"),
    ],
)
def test_a_bad_row_is_named_with_its_line(tmp_path: Path, row: str, problem: str) -> None:
    path = write_rows(tmp_path / "data.jsonl", 4)
    path.write_text(path.read_text() + row + "\n")
    with pytest.raises(DataError, match=problem) as caught:
        read_examples(path)
    assert f"{path}:5" in caught.value.message


def test_one_class_only_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"p{n}", "p_teacher": 0.9}) + "\n" for n in range(3)))
    with pytest.raises(DataError, match="one class only: none of the lines 1 to 3 prefers the device"):
        read_examples(path)


def test_batches_hold_similar_lengths_and_every_row_once() -> None:
    lengths = np.random.default_rng(0).integers(1, 200, 1003)
    order = list(SimilarLengths(lengths.tolist(), batch=16, seed=1))
    assert sorted(order) == list(range(1003))
    full = [order[at : at + 16] for at in range(0, 992, 16)]
    spread = np.mean([np.ptp(lengths[batch]) for batch in full])
    assert spread < 20


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    sampler, same = (SimilarLengths(list(range(64)), batch=8, seed=3) for _ in range(2))
    first = list(sampler)
    assert first == list(sampler) == list(same)
    sampler.set_epoch(1)
    assert list(sampler) != first
    assert list(SimilarLengths(list(range(64)), batch=8, seed=4)) != first


def test_rows_are_padded_on_the_right_and_masked() -> None:
    batch = Collate(padding=3)([Item([1, 7, 2], 0.25, 1.0), Item([1, 2], 0.5, 0.5)])
    assert batch["input_ids"].tolist() == [[1, 7, 2], [1, 2, 3]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    assert batch["p_teacher"].tolist() == [0.25, 0.5]
    assert batch["weight"].dtype is torch.float32


def test_long_prompts_keep_their_closing_token() -> None:
    tokenizer = tiny_tokenizer()
    end = tokenizer.token_to_id("[SEP]")
    items = Items(examples(3), tokenizer, max_tokens=5)
    assert items.lengths() == [5, 5, 5]
    assert all(items[index].ids[-1] == end for index in range(3))
