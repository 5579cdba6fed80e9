"""Batches hold similar lengths under a budget of tokens, and every sequence once."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.support.bundles import write_bundle
from vibe_router import Router
from vibe_router.engines.onnx.padding import pad
from vibe_router.routing.scoring import batches


@given(st.lists(st.integers(1, 600), max_size=60), st.integers(1, 700))
def test_every_sequence_is_in_one_batch_within_the_budget(lengths: list[int], budget: int) -> None:
    made = list(batches(lengths, budget=budget))
    assert sorted(index for batch in made for index in batch) == list(range(len(lengths)))
    for batch in made:
        assert len(batch) == 1 or len(batch) * max(lengths[index] for index in batch) <= budget
    in_order = [lengths[index] for batch in made for index in batch]
    assert in_order == sorted(in_order), "similar lengths together: the least padding"
    for batch, following in itertools.pairwise(made):
        assert (len(batch) + 1) * lengths[following[0]] > budget, "no batch is smaller than it could be"


def test_route_many_gives_the_engine_batches_of_256_tokens(tmp_path: Path) -> None:
    with Router.load(write_bundle(tmp_path / "tiny"), threads=1) as router:
        shapes = []
        logits = router.engine.logits

        class Spy:
            name, file, precision = router.engine.name, router.engine.file, router.engine.precision
            batch_band = router.engine.batch_band

            def logits(self, sequences: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
                shapes.append((len(sequences), max(map(len, sequences))))
                return logits(sequences)

            def close(self) -> None:
                return

        Router(router.bundle, router.tokenizer, Spy()).route_many(["hello there"] * 300, threshold=0.999)
    assert sum(rows for rows, _ in shapes) == 300
    assert max(rows * tokens for rows, tokens in shapes) <= 256
    assert len(shapes) == -(-300 // (256 // shapes[0][1]))


def test_padding_stands_at_the_end() -> None:
    ids, mask = pad([np.array([5, 6]), np.array([7, 8, 9])], pad_token_id=3)
    assert ids.tolist() == [[5, 6, 3], [7, 8, 9]]
    assert mask.tolist() == [[1, 1, 0], [1, 1, 1]]
    assert ids.dtype == mask.dtype == np.int64


@pytest.mark.parametrize("lengths", [[], [1000]])
def test_nothing_and_more_than_the_budget_are_no_special_cases(lengths: list[int]) -> None:
    assert list(batches(lengths)) == [[0]] * len(lengths)
