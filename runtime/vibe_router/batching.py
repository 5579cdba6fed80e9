"""Many token sequences through an engine: similar lengths together, under a budget of tokens a batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from vibe_router.engines.protocol import Engine

# Tokens of a padded batch. Attention's memory grows with it, and a CPU is busy with far fewer.
_TOKEN_BUDGET = 2048


def score_alone(engine: Engine, ids: NDArray[np.int64]) -> float:
    """Return the logit of one sequence, int64 [tokens]."""
    input_ids = ids[np.newaxis, :]
    return float(engine.logits(input_ids, np.ones_like(input_ids))[0])


def score_batches(engine: Engine, sequences: Sequence[NDArray[np.int64]], *, pad_token_id: int) -> NDArray[np.float32]:
    """Return the logits, float32 [len(sequences)], in the order of `sequences` (each int64 [tokens])."""
    logits = np.empty(len(sequences), np.float32)
    for batch in _batches([len(sequence) for sequence in sequences]):
        logits[batch] = engine.logits(*pad([sequences[index] for index in batch], pad_token_id=pad_token_id))
    return logits


def pad(sequences: Sequence[NDArray[np.int64]], *, pad_token_id: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return ids and mask, int64 [sequences, longest], of sequences int64 [tokens]; padding stands at the end."""
    lengths = np.array([len(sequence) for sequence in sequences])
    attention_mask = (np.arange(lengths.max()) < lengths[:, np.newaxis]).astype(np.int64)
    input_ids = np.full(attention_mask.shape, pad_token_id, np.int64)
    input_ids[attention_mask.astype(bool)] = np.concatenate(sequences)
    return input_ids, attention_mask


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield indices grouped by length; a padded group holds at most the budget, or one sequence."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[index] > _TOKEN_BUDGET:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
