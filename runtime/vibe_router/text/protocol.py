"""The protocol of a tokenizer: text in, ids out."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Prompt(Protocol):
    """A prompt as ids; `truncated` says that it had more."""

    @property
    def ids(self) -> NDArray[np.int64]:
        """The ids, int64 [tokens], [CLS] and [SEP] included."""

    @property
    def tokens(self) -> int:
        """How many ids there are."""

    @property
    def truncated(self) -> bool:
        """Whether the prompt had more."""


class Tokenizer(Protocol):
    """The tokenizer of one bundle. Safe to use from several threads."""

    @property
    def reads_whole(self) -> bool:
        """Whether prompts are read to their end, whatever number of tokens is kept."""

    def encode(self, prompt: str) -> Prompt:
        """Return the ids of `prompt`.

        Raises:
            PromptError: not a string, or text that cannot be tokenized.
        """
