"""Tokenizers that make text lower case before NFC are read in pieces, and the case of a prompt changes no id."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from tests.support.prompts import capitals, pieces
from tests.support.tokenizer_family import lower_case_first
from tests.support.tokenizers import reference_ids
from vibe_router.errors import PromptError
from vibe_router.text.normalization import normalization_break
from vibe_router.text.stable_prefix import SettledTokens
from vibe_router.text.tokenizer import PromptTokenizer

PARTS = st.tuples(st.sampled_from((*capitals(), *capitals(), *pieces())), st.sampled_from((1, 1, 2, 30, 700)))


@cache
def content() -> bytes:
    return lower_case_first().to_str().encode()


@cache
def tokenizer(max_tokens: int) -> PromptTokenizer:
    return PromptTokenizer(content(), max_tokens=max_tokens)


def assert_as_uncapped(prompt: str, *, max_tokens: int) -> None:
    encoded = tokenizer(max_tokens).encode(prompt)
    assert (encoded.ids.tolist(), encoded.truncated) == reference_ids(content(), prompt, max_tokens=max_tokens)


@settings(max_examples=150, deadline=None)
@given(st.lists(PARTS, max_size=12), st.sampled_from((4, 16, 64)))
def test_capping_changes_no_kept_token(parts: list[tuple[str, int]], max_tokens: int) -> None:
    prompt = "".join(piece * count for piece, count in parts)
    try:
        assert_as_uncapped(prompt, max_tokens=max_tokens)
    except PromptError:
        runs = "".join("x" if normalization_break(character) else "m" for character in prompt)
        assert "m" * 1024 in runs, "only runs of marks may be refused"


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="aAbB\u0130", min_size=300, max_size=2500), st.integers(2, 40))
def test_capping_changes_no_kept_token_inside_one_endless_word(prompt: str, max_tokens: int) -> None:
    assert_as_uncapped(prompt, max_tokens=max_tokens)


@pytest.mark.parametrize("unit", ["A", "A B ", "E\u0301", "\u0130", "\u0130|", "\u023a", "USER", "RAW", "It'S "])
def test_a_million_characters_are_read_only_as_far_as_needed(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    encode = PromptTokenizer._encode

    def spy(self: PromptTokenizer, text: str):  # type: ignore[no-untyped-def]
        read.append(len(text))
        return encode(self, text)

    monkeypatch.setattr(PromptTokenizer, "_encode", spy)
    prompt = unit * (1_000_000 // len(unit))
    ids = tokenizer(64).encode(prompt).ids.tolist()
    assert sum(read) < 20_000
    assert ids == reference_ids(content(), prompt[:50_000], max_tokens=64)[0]


@settings(max_examples=100, deadline=None)
@given(st.lists(PARTS, min_size=2, max_size=12), st.lists(PARTS, max_size=3))
def test_the_rest_behind_certain_tokens_is_read_by_itself(
    parts: list[tuple[str, int]], following: list[tuple[str, int]]
) -> None:
    text, more = ("".join(piece * count for piece, count in some) for some in (parts, following))
    if not more or normalization_break(more[0]):
        assert_read_on_by_itself(text, more)


@pytest.mark.parametrize(
    "token", ["|||EMAIL_ADDRESS|||", "|||email_ADDRESS|||", "USER", "\u0130|", "E\u0301\u212b", "RAW"]
)
def test_an_added_token_across_the_cut_is_found(token: str) -> None:
    for words in (0, 1, 2, 5, 30):
        for cut in range(1, len(token)):
            if normalization_break(token[cut]):
                assert_read_on_by_itself("Word " * words + token[:cut], token[cut:] + " Word")


def assert_read_on_by_itself(text: str, more: str) -> None:
    whole = _whole()
    encoding = whole.encode(text, add_special_tokens=False)
    split = SettledTokens(whole).split(text, encoding) if len(encoding.ids) > 1 else None
    if split is not None:
        count, place = split
        apart = whole.encode(text[place:] + more, add_special_tokens=False).ids
        assert whole.encode(text + more, add_special_tokens=False).ids == encoding.ids[:count] + apart


@cache
def _whole() -> Tokenizer:
    loaded = Tokenizer.from_buffer(content())
    loaded.encode_special_tokens = True
    return loaded


def test_two_characters_of_one_are_never_read_apart() -> None:
    text = "\u0130" * 400
    split = SettledTokens(_whole()).split(text, _whole().encode(text, add_special_tokens=False))
    assert split is not None
    count, place = split
    assert _whole().decode(_whole().encode(text, add_special_tokens=False).ids[:count]) == "i\u0307" * place


@pytest.mark.parametrize(
    "prompt", ["Write a thread-safe LRU cache", "ПРИВЕТ, как Дела?", "CAFÉ Cafe\u0301", "[SEP] user"]
)
def test_case_changes_no_id(prompt: str) -> None:
    ids = tokenizer(64).encode(prompt).ids.tolist()
    for changed in (prompt.lower(), prompt.upper(), prompt.title(), prompt.swapcase()):
        assert tokenizer(64).encode(changed).ids.tolist() == ids


@pytest.mark.parametrize("special", ["[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]", "[sep]"])
def test_literal_special_tokens_are_plain_text(special: str) -> None:
    ends = tokenizer(64).encode("").ids.tolist()
    inner = tokenizer(64).encode(f"a {special} b").ids[1:-1].tolist()
    assert not {*ends, _whole().token_to_id(special.upper())} & {*inner}
