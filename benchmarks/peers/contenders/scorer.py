"""The protocol of a loaded contender."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vibe_router.engines.onnx.padding import pad
from vibe_router.policy import above, sigmoid

Ids = NDArray[np.int64]
MAX_TOKENS = 512
# The published threshold of the profile "balanced", on the raw scale.
THRESHOLD = 0.95
_BATCH = 32

Mark = Callable[[str], None]
"""Called at the end of each phase of loading, with its name."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What to load: `checkpoint` is null where only a bundle was given, `artifact` where nothing is prepared."""

    checkpoint: Path | None
    bundle: Path | None
    artifact: Path | None
    threads: int


class Scorer(Protocol):
    """A loaded model."""

    def logit(self, ids: Ids) -> float:
        """Return the raw logit z of one sequence, int64 [tokens]."""

    def decide(self, prompt: str) -> bool:
        """Return whether the prompt goes to the cloud."""

    def decide_many(self, prompts: Sequence[str]) -> list[bool]:
        """Return the same for many prompts, in batches, as a user of this way would."""


class TextScorer:
    """Prompts for a model that takes ids: tokenize, score, compare; batches are sorted by length and padded."""

    def __init__(
        self, encode: Callable[[str], Ids], logits: Callable[[Ids, Ids], NDArray[np.float32]], *, pad_token_id: int
    ) -> None:
        """`logits` takes ids and mask, int64 [batch, tokens], and returns raw logits [batch]."""
        self._encode, self._logits, self._pad_token_id = encode, logits, pad_token_id

    def logit(self, ids: Ids) -> float:
        """Return the raw logit z of one sequence, int64 [tokens]."""
        row = ids[np.newaxis]
        return float(self._logits(row, np.ones_like(row))[0])

    def decide(self, prompt: str) -> bool:
        """Return whether the prompt goes to the cloud."""
        return above(sigmoid(self.logit(self._encode(prompt))), THRESHOLD)

    def decide_many(self, prompts: Sequence[str]) -> list[bool]:
        """Return the same for many prompts, 32 of about the same length at a time."""
        sequences = [self._encode(prompt) for prompt in prompts]
        order = sorted(range(len(sequences)), key=lambda place: len(sequences[place]))
        decisions = [False] * len(sequences)
        for first in range(0, len(order), _BATCH):
            places = order[first : first + _BATCH]
            ids, mask = pad([sequences[place] for place in places], pad_token_id=self._pad_token_id)
            for place, logit in zip(places, self._logits(ids, mask), strict=True):
                decisions[place] = above(sigmoid(float(logit)), THRESHOLD)
        return decisions


def plain_tokenizer(checkpoint: Path) -> tuple[Callable[[str], Ids], int]:
    """Return the tokenizer of a checkpoint by the `tokenizers` library alone, and the padding's id."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.no_padding()
    return lambda prompt: np.array(tokenizer.encode(prompt).ids, np.int64), tokenizer.token_to_id("[PAD]")
