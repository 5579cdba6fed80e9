"""Prompts of every kind, made deterministically."""

from __future__ import annotations

import random

_WORDS = ("hi", "hello", "what", "is", "explain", "quantum", "it's", "we'll", "naïve")
_MARKUP = ("[SEP]", "[MASK]", "[CLS]", "|||EMAIL_ADDRESS|||", "|||EMAIL", "|", "||")
_SPACES = (" ", "  ", "     ", "\n", "\n\n", "\t", "\r\n", "\u00a0", "\u3000", "\u200b", "\x00", "\x1c")
_ASCII = ("a", "aaaaaaa", "ab", "----", "...", "'", "'s", "12", "3.14", "=")
_ACCENTS = ("é", "e\u0301", "\u0301", "\u0301\u0323", "\u0b47\u0b3e", "\ufb2c", "\u0958")
_SCRIPTS = (
    "가",
    "\u1100\u1161\u11a8",
    "日本語",
    "你好",
    "مرحبا",
    "שלום",
    "🙂",
    "👩\u200d👩\u200d👧",
    "\ue000",
)
_PIECES = _WORDS + _MARKUP + _SPACES + _ASCII + _ACCENTS + _SCRIPTS


def mixed_prompts(count: int, *, seed: int = 0) -> list[str]:
    """Return `count` prompts: empty ones, short ones, repetitive ones and some far over any length limit."""
    source = random.Random(seed)
    prompts = []
    for _ in range(count):
        size = source.choice((0, 1, 2, 4, 8, 16, 40, 200))
        separator = source.choice(("", " "))
        prompts.append(separator.join(source.choices(_PIECES, k=size)))
    return prompts


def pieces() -> tuple[str, ...]:
    """Return the building blocks of `mixed_prompts`."""
    return _PIECES
