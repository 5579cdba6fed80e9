"""Tokenised examples, batches of similar length, and their order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer
from torch.utils.data import Dataset, Sampler

from vibe_router_training.data import Example
from vibe_router_training.model import pad
from vibe_router_training.tokenizer import encode

_WINDOW = 50
"""Batches whose examples are sorted by length together: enough to save padding, few enough to stay mixed."""


@dataclass(frozen=True)
class Item:
    """One tokenised example."""

    ids: list[int]
    p_teacher: float
    weight: float


class Items(Dataset[Item]):
    """Tokenised examples by index."""

    def __init__(self, examples: Sequence[Example], tokenizer: Tokenizer, *, max_tokens: int) -> None:
        rows = encode(tokenizer, [example.prompt for example in examples], max_tokens=max_tokens)
        self._items = [
            Item(ids=ids, p_teacher=example.p_teacher, weight=example.weight)
            for ids, example in zip(rows, examples, strict=True)
        ]

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> Item:
        return self._items[index]

    def lengths(self) -> list[int]:
        """Return the number of tokens of each example."""
        return [len(item.ids) for item in self._items]


@dataclass(frozen=True)
class Collate:
    """Make a batch of items: `input_ids`, `attention_mask` int64 [b, s]; `p_teacher`, `weight` float32 [b]."""

    padding: int

    def __call__(self, items: list[Item]) -> dict[str, torch.Tensor]:
        """Return the batch."""
        ids, mask = pad([item.ids for item in items], self.padding)
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "p_teacher": torch.tensor([item.p_teacher for item in items], dtype=torch.float32),
            "weight": torch.tensor([item.weight for item in items], dtype=torch.float32),
        }


class SimilarLengths(Sampler[int]):
    """Indices in an order that puts examples of similar length into one batch, another one each epoch.

    The order depends on the seed and the epoch alone, so that a resumed run sees what the first would have.
    """

    def __init__(self, lengths: Sequence[int], *, batch: int, seed: int) -> None:
        self._lengths = np.asarray(lengths)
        self._batch = batch
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of an epoch; the data loader calls this."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        generator = np.random.default_rng([self._seed, self._epoch])
        shuffled = generator.permutation(len(self._lengths))
        batches: list[np.ndarray[tuple[int], np.dtype[np.int64]]] = []
        for start in range(0, len(shuffled), self._batch * _WINDOW):
            window = shuffled[start : start + self._batch * _WINDOW]
            window = window[np.argsort(self._lengths[window], kind="stable")]
            batches += [window[at : at + self._batch] for at in range(0, len(window), self._batch)]
        # The short last batch stays last: anywhere else it would shift the borders of the following batches.
        full = [batch for batch in batches if len(batch) == self._batch]
        rest = [batch for batch in batches if len(batch) < self._batch]
        order = [full[index] for index in generator.permutation(len(full))]
        for batch in order + rest:
            yield from batch.tolist()
