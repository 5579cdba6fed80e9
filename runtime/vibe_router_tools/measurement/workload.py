"""Workloads of measurements: token sequences of chosen lengths, and prompts of every length of a file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from vibe_router.errors import DataError
from vibe_router.text.protocol import Tokenizer
from vibe_router_tools.evenly import evenly

TOKEN_COUNTS = (2, 4, 5, 10, 16, 20, 30, 48, 64, 128, 256, 512)
"""[CLS] and [SEP] included, so 2 is the empty prompt."""


def sequences_of(
    tokenizer: Tokenizer, prompts: Iterable[str], token_counts: Sequence[int]
) -> dict[int, NDArray[np.int64]]:
    """Return a sequence, int64 [tokens], for each count: [CLS], tokens of the prompts one after the other, [SEP].

    Raises:
        DataError: the prompts have no tokens.
    """
    longest = max(token_counts) - 2
    parts: list[NDArray[np.int64]] = []
    found = 0
    start, end = tokenizer.encode("").ids
    for prompt in prompts:
        if found >= longest:
            break
        parts.append(tokenizer.encode(prompt).ids[1:-1])
        found += len(parts[-1])
    content = np.concatenate([np.empty(0, np.int64), *parts])
    if not len(content) and longest > 0:
        raise DataError("the prompts have no tokens", hint="give prompts that are not empty")
    content = np.resize(content, max(longest, 0))
    return {count: np.concatenate([[start], content[: count - 2], [end]]) for count in token_counts}


def of_every_length(prompts: Sequence[str], count: int) -> list[str]:
    """Return `count` of the prompts, or all where there are fewer, evenly in order of their length."""
    return evenly(sorted(prompts, key=lambda prompt: (len(prompt), prompt)), count)
