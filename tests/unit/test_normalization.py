"""What lower case does to every character, asked of the library: the argument of stable_prefix.py needs it."""

from __future__ import annotations

from functools import cache

import pytest
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.normalizers import NFC, NFD, NFKC, Lowercase, Normalizer, Sequence

from vibe_router.text.normalization import Normalization, normalization_break, normalization_of
from vibe_router.text.stable_prefix import _BYTES_PER_CHARACTER

# A line's end keeps characters apart; surrogates are no text.
CHARACTERS = [chr(code) for code in range(0x110000) if chr(code) != "\n" and not 0xD800 <= code < 0xE000]
BOTH = Sequence([Lowercase(), NFC()])


def lines(normalizer: Normalizer, texts: list[str]) -> list[str]:
    """Return the texts, each a line, as the library normalises them."""
    normalised: str = normalizer.normalize_str("\n".join(texts))
    return normalised.split("\n")


@cache
def lower_cases() -> dict[str, str]:
    """Return what every character that lower case changes becomes, asked one by one."""
    lower = Lowercase().normalize_str
    return {one: lowered for one in CHARACTERS if (lowered := lower(one)) != one}


@pytest.mark.parametrize(
    ("normalizer", "known"),
    [
        (None, Normalization.NONE),
        (NFC(), Normalization.NFC),
        (BOTH, Normalization.LOWER_CASE_NFC),
        (Sequence([NFC(), Lowercase()]), None),
        (Sequence([Lowercase(), NFC(), NFC()]), None),
        (Sequence([NFC()]), None),
        (Sequence([]), None),
        (Lowercase(), None),
        (NFKC(), None),
    ],
    ids=str,
)
def test_only_these_shapes_are_known(normalizer: Normalizer | None, known: Normalization | None) -> None:
    tokenizer = Tokenizer(BPE())
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    assert normalization_of(Tokenizer.from_str(tokenizer.to_str())) is known


def test_lower_case_knows_no_neighbours() -> None:
    # A sigma that ends a word is the one character for which Unicode has such a rule.
    ends = [f"A{lower_cases().get(one, one)} " for one in CHARACTERS]
    assert lines(Lowercase(), [f"A{one} " for one in CHARACTERS]) == [f"a{one[1:]}" for one in ends]
    for before, behind in (("", ""), ("\u0391", "B"), ("a\u0301", "\u0301 a"), ("I", "\u0307"), ("Σ", "Σ")):
        left, right = (Lowercase().normalize_str(part) for part in (before, behind))
        wanted = [left + lowered + right for lowered in lower_cases().values()]
        assert lines(Lowercase(), [before + one + behind for one in lower_cases()]) == wanted


def test_one_character_alone_becomes_two() -> None:
    assert len(lower_cases()) > 1400
    assert {one: lower for one, lower in lower_cases().items() if len(lower) != 1} == {"\u0130": "i\u0307"}


def test_where_text_may_be_cut_it_may_be_cut_in_lower_case() -> None:
    allowed = [one for one in lower_cases() if normalization_break(one)]
    assert len(allowed) > 1300
    for one in allowed:
        assert normalization_break(lower_cases()[one][0]), f"U+{ord(one):04X}"
    for before in ("a\u0323", "A\u0323\u0301", "I", "\u0130", "\u1100", "가", "Σ", "\ud5d0"):
        left, right = BOTH.normalize_str(before), lines(BOTH, allowed)
        assert lines(BOTH, [before + one for one in allowed]) == [left + one for one in right]


def test_no_character_becomes_more_bytes_than_the_reserve_counts() -> None:
    for one, decomposed in zip(CHARACTERS, lines(Sequence([Lowercase(), NFD()]), CHARACTERS), strict=True):
        assert len(decomposed.encode()) <= _BYTES_PER_CHARACTER, f"U+{ord(one):04X}"
