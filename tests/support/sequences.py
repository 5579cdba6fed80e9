"""Token sequences of given lengths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vibe_router_export.checkpoint.config import ModernBertConfig


def padded_sequences(
    config: ModernBertConfig, *, lengths: Sequence[int], width: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return ids and mask, int64 [len(lengths), width or the longest]: random tokens between [CLS] and [SEP]."""
    random = np.random.default_rng(0)
    ids = np.full((len(lengths), width or max(lengths)), config.pad_token_id, np.int64)
    mask = np.zeros_like(ids)
    for row, length in enumerate(lengths):
        tokens = random.integers(0, config.vocabulary_size - 1, length)
        # Ids of tokens that are not padding.
        tokens += tokens >= config.pad_token_id
        tokens[0], tokens[-1] = config.cls_token_id, config.sep_token_id
        ids[row, :length], mask[row, :length] = tokens, 1
    return ids, mask


def unpadded(input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the sequences, int64 [tokens] each, of ids and mask, int64 [batch, longest]."""
    return [ids[mask.astype(bool)] for ids, mask in zip(input_ids, attention_mask, strict=True)]
