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
# Their lower case has another length, another number of characters, or marks that compose otherwise.
_CAPITALS = (
    "A",
    "I'M",
    "USER",
    "É",
    "E\u0301",
    "I\u0307\u0323",
    "\u0130",
    "\u0130|",
    "\u0130\u0323",
    "\u0130\u0307",
    "\u1e9e",
    "\u212a",
    "\u212b",
    "\u2126",
    "\u023a",
    "\u2c62",
    "\ua7cb",
    "\u01c5",
    "\u1f8a",
    "\u2160",
    "\U00010400",
    "ΟΔΟΣ",
    "Σ",
    "ПРИВЕТ",
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


def capitals() -> tuple[str, ...]:
    """Return pieces of text that lower case changes."""
    return _CAPITALS


def pieces() -> tuple[str, ...]:
    """Return the building blocks of `mixed_prompts`."""
    return _PIECES
