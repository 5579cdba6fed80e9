"""Logits of texts by the hash of the text: from the caller's state, from memory, or from the engine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

_SLOTS = 4096


class RecentScores:
    """The logits of texts that were scored lately, without the texts. Safe from many threads, and after a fork.

    One slot for each remainder of a hash: a new text takes the place of another, so that nothing has to be locked.
    """

    def __init__(self, slots: int = _SLOTS) -> None:
        self._slots: list[tuple[str, float] | None] = [None] * slots

    def get(self, digest: str) -> float | None:
        """Return the logit of the text with this digest, where it is still known."""
        entry = self._slots[int(digest, 16) % len(self._slots)]
        return entry[1] if entry is not None and entry[0] == digest else None

    def put(self, digest: str, logit: float) -> None:
        """Remember a logit."""
        self._slots[int(digest, 16) % len(self._slots)] = digest, logit


def digest(text: str) -> str:
    """Return 64 bits of the text's BLAKE2b hash as 16 hexadecimal digits."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


class Scores:
    """The logits of one call's texts, each asked for once."""

    def __init__(self, known: Mapping[str, float], recent: RecentScores, score: Callable[[str], float]) -> None:
        """`known` are those of the caller's state; `score` asks the engine for a text's."""
        self.used: dict[str, float] = {}
        self._known = known
        self._recent = recent
        self._score = score

    def of(self, text: str) -> float:
        """Return the logit of `text`.

        Raises:
            PromptError: it cannot be tokenized.
            EngineError: the engine failed, or the time was up.
        """
        key = digest(text)
        if key in self.used:
            return self.used[key]
        logit = self._known.get(key)
        if logit is None:
            logit = self._recent.get(key)
        if logit is None:
            logit = self._score(text)
            # A state's are its caller's word, which no other call may take for the engine's.
            self._recent.put(key, logit)
        self.used[key] = logit
        return logit
