"""Tell prompts that are not English, and their script."""

from __future__ import annotations

import unicodedata
from collections import Counter


def is_foreign(prompt: str) -> bool:
    """Return whether one letter in twenty is not ASCII, or the prompt has a common word of another Latin language."""
    letters = [char for char in prompt if char.isalpha()]
    if sum(not char.isascii() for char in letters) * 20 > len(letters):
        return True
    return bool(_COMMON & set(prompt.lower().split()))


_COMMON = frozenset(
    ("und", "der", "wie", "ist", "ich", "el", "los", "que", "por", "les", "une", "est", "il", "che", "een", "het")
)
"""Words that tell the larger languages in Latin letters from English, where a prompt has no letter beyond ASCII."""


def script_of(prompt: str) -> str:
    """Return the script of most letters, as Unicode names it: LATIN, CYRILLIC, CJK; "none" without letters."""
    scripts = Counter(unicodedata.name(char, "none").split()[0] for char in prompt[:400] if char.isalpha())
    return scripts.most_common(1)[0][0] if scripts else "none"
