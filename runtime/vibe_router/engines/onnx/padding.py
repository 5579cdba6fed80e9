"""Padding: token sequences of several lengths as one rectangle of ids, with a mask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def pad(sequences: Sequence[NDArray[np.int64]], *, pad_token_id: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return ids and mask, int64 [sequences, longest], of sequences int64 [tokens].

    The mask is 1 for a token and 0 for padding, which is at the end.
    """
    lengths = np.array([len(sequence) for sequence in sequences])
    attention_mask = (np.arange(lengths.max()) < lengths[:, np.newaxis]).astype(np.int64)
    input_ids = np.full(attention_mask.shape, pad_token_id, np.int64)
    input_ids[attention_mask.astype(bool)] = np.concatenate(sequences)
    return input_ids, attention_mask
