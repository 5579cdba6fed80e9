from __future__ import annotations

import string
from itertools import pairwise

import pytest
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.normalizers import NFC
from tokenizers.pre_tokenizers import ByteLevel

from vibe_router.text.stable_prefix import SettledTokens

LETTERS = string.ascii_letters


@pytest.fixture
def dominoes() -> Tokenizer:
    """A tokenizer in which the last letter of abc...XYZ decides about the first: YZ merges before XY."""
    pairs = [*pairwise(LETTERS)][::-1]
    entries = [*sorted(ByteLevel.alphabet()), *(left + right for left, right in pairs)]
    tokenizer = Tokenizer(BPE({entry: index for index, entry in enumerate(entries)}, pairs))
    tokenizer.normalizer = NFC()
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    return tokenizer


def settled(tokenizer: Tokenizer, text: str, limit: int) -> bool:
    encoding = tokenizer.encode(text)
    return SettledTokens(tokenizer).first(limit, encoding.tokens, encoding.word_ids)


def test_tokens_that_a_far_continuation_changes_are_not_settled(dominoes: Tokenizer) -> None:
    assert dominoes.encode(LETTERS).tokens[0] == "ab"
    assert dominoes.encode(LETTERS[:-1]).tokens[:2] == ["a", "bc"]
    for limit in (1, 2, 3):
        assert not settled(dominoes, LETTERS, limit)
        assert not settled(dominoes, LETTERS[:-1], limit)


def test_tokens_that_no_continuation_changes_are_settled_inside_a_word(dominoes: Tokenizer) -> None:
    assert settled(dominoes, "az" * 50, 4)
    assert settled(dominoes, "ab" * 50, 4)


def test_tokens_near_the_end_of_the_text_are_not_settled(dominoes: Tokenizer) -> None:
    assert not settled(dominoes, "az" * 50, 97)
    assert not settled(dominoes, "az" * 50, 99)
    assert not settled(dominoes, "az " * 3, 2)


def test_no_more_tokens_than_asked_for_are_not_settled(dominoes: Tokenizer) -> None:
    assert not settled(dominoes, "az", 2)
    assert not settled(dominoes, "", 0)


def test_words_far_from_the_end_are_settled(dominoes: Tokenizer) -> None:
    assert settled(dominoes, LETTERS + " and so on for long enough to be sure", 1)


@pytest.mark.parametrize("unit", [LETTERS, "az", "ab", "za ", "a", LETTERS[:3] + " ", LETTERS[:-1]])
@pytest.mark.parametrize("following", ["Z", "z", LETTERS, " a", LETTERS[::-1]])
def test_the_rest_behind_certain_tokens_is_read_by_itself(dominoes: Tokenizer, unit: str, following: str) -> None:
    tokens = SettledTokens(dominoes)
    for times in (1, 7, 40):
        text = unit * times
        encoding = dominoes.encode(text)
        split = tokens.split(text, encoding)
        if split is not None:
            count, place = split
            apart = dominoes.encode(text[place:] + following).ids
            assert dominoes.encode(text + following).ids == encoding.ids[:count] + apart


def test_a_row_can_be_read_in_pieces(dominoes: Tokenizer) -> None:
    assert SettledTokens(dominoes).split("az" * 50, dominoes.encode("az" * 50)) is not None
    assert SettledTokens(dominoes).split("a b " * 50, dominoes.encode("a b " * 50)) is not None
