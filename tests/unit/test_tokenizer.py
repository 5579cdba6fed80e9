from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer
from tokenizers.models import BPE, WordLevel
from tokenizers.normalizers import StripAccents
from tokenizers.pre_tokenizers import Split
from tokenizers.processors import TemplateProcessing

from tests.support.bundles import tiny_tokenizer_json
from tests.support.prompts import mixed_prompts, pieces
from tests.support.tokenizers import reference_ids
from vibe_router.errors import BundleCorruptError, PromptError
from vibe_router.text.normalization import normalization_break
from vibe_router.text.tokenizer import PromptTokenizer, TokenizedPrompt

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "tokenizer" / "tokenizer.json"
MAX_TOKENS = 16


@cache
def tokenizer(max_tokens: int = MAX_TOKENS) -> PromptTokenizer:
    return PromptTokenizer(tiny_tokenizer_json(), max_tokens=max_tokens)


def assert_as_uncapped(prompt: str, *, max_tokens: int = MAX_TOKENS) -> TokenizedPrompt:
    encoded = tokenizer(max_tokens).encode(prompt)
    expected = reference_ids(tiny_tokenizer_json(), prompt, max_tokens=max_tokens)
    assert (encoded.ids.tolist(), encoded.truncated) == expected
    return encoded


def test_ids_are_int64_with_cls_and_sep_around() -> None:
    ids = tokenizer().encode("hi").ids
    assert ids.dtype == np.int64
    vocabulary = Tokenizer.from_buffer(tiny_tokenizer_json())
    assert [ids[0], ids[-1]] == [vocabulary.token_to_id("[CLS]"), vocabulary.token_to_id("[SEP]")]


def test_the_length_limit_keeps_sep_and_says_so() -> None:
    end = tokenizer().encode("").ids[-1]
    for words in range(2 * MAX_TOKENS):
        encoded = assert_as_uncapped("," * words + "?" * words)
        assert len(encoded.ids) <= MAX_TOKENS
        assert encoded.ids[-1] == end


@pytest.mark.parametrize("special", ["[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]"])
def test_literal_special_tokens_are_plain_text(special: str) -> None:
    special_id = Tokenizer.from_buffer(tiny_tokenizer_json()).token_to_id(special)
    assert special_id not in tokenizer().encode(f"a {special} b").ids[1:-1]


def test_truncation_and_padding_stored_in_the_file_are_ignored() -> None:
    stored = Tokenizer.from_buffer(tiny_tokenizer_json())
    stored.enable_truncation(4)
    stored.enable_padding(length=40)
    changed = PromptTokenizer(stored.to_str().encode(), max_tokens=64)
    prompt = "explain quantum entanglement"
    assert changed.encode(prompt).ids.tolist() == tokenizer(64).encode(prompt).ids.tolist()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(pieces()), st.sampled_from((1, 1, 2, 30, 700))), max_size=12))
def test_capping_changes_no_kept_token(parts: list[tuple[str, int]]) -> None:
    prompt = "".join(piece * count for piece, count in parts)
    try:
        assert_as_uncapped(prompt)
    except PromptError:
        runs = "".join("x" if normalization_break(character) else "m" for character in prompt)
        assert "m" * 1024 in runs, "only runs of marks may be refused"


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab", min_size=300, max_size=2500), st.integers(2, 40))
def test_capping_changes_no_kept_token_inside_one_endless_word(prompt: str, max_tokens: int) -> None:
    assert_as_uncapped(prompt, max_tokens=max_tokens)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60), st.integers(1, 40))
def test_capping_changes_no_kept_token_of_any_text(text: str, times: int) -> None:
    assert_as_uncapped(text.encode("utf-8", "ignore").decode() * times)


def test_mixed_prompts_are_as_uncapped() -> None:
    truncated = [assert_as_uncapped(prompt).truncated for prompt in mixed_prompts(300, seed=3)]
    assert {*truncated} == {False, True}


@pytest.mark.parametrize(
    "unit", ["a", " ", "\n", "-", "'", "|", "a b ", "é", "e\u0301", "你", "🙂", "\u1100\u1161\u11a8"]
)
def test_a_million_characters_are_read_only_as_far_as_needed(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    capped = PromptTokenizer(tiny_tokenizer_json(), max_tokens=64)
    encode = PromptTokenizer._encode

    def spy(self: PromptTokenizer, text: str):  # type: ignore[no-untyped-def]
        read.append(len(text))
        return encode(self, text)

    monkeypatch.setattr(PromptTokenizer, "_encode", spy)
    prompt = unit * (1_000_000 // len(unit))
    ids = capped.encode(prompt).ids.tolist()
    assert sum(read) < 20_000
    # The reference reads everything; a twentieth is still far more than was kept.
    assert ids == reference_ids(tiny_tokenizer_json(), prompt[:50_000], max_tokens=64)[0]


def test_a_run_of_combining_marks_is_refused_in_short_time() -> None:
    with pytest.raises(PromptError, match="combining"):
        tokenizer().encode("a" + "\u0301" * 1_000_000)


@pytest.mark.parametrize("prompt", [None, b"hi", 3, ["hi"]])
def test_what_is_no_text_is_refused(prompt: object) -> None:
    with pytest.raises(PromptError, match="must be a str"):
        tokenizer().encode(prompt)  # type: ignore[arg-type]


@pytest.mark.parametrize("prompt", ["ab\ud800c", "\udfff", "\ud83d\ude00", "a \udc00" * 50_000])
def test_lone_surrogates_are_read_as_replacement_characters(prompt: str) -> None:
    replaced = "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in prompt)
    assert tokenizer().encode(prompt).ids.tolist() == tokenizer().encode(replaced).ids.tolist()


def test_a_panic_of_the_library_becomes_a_prompt_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicException(BaseException):
        pass

    def panic(*_: object, **__: object) -> None:
        raise PanicException("index out of bounds")

    broken = PromptTokenizer(tiny_tokenizer_json(), max_tokens=8)
    monkeypatch.setattr(broken, "_tokenizer", SimpleNamespace(encode=panic))
    with pytest.raises(PromptError, match="panicked"):
        broken.encode("hi")


def test_every_place_where_text_may_be_cut_is_a_boundary_of_normalization() -> None:
    composing = set()
    for code in range(0x110000):
        parts = unicodedata.decomposition(chr(code)).split()
        composed = len(parts) == 2 and not parts[0].startswith("<")
        if composed and unicodedata.is_normalized("NFC", chr(code)):
            composing.add(chr(int(parts[1], 16)))
    assert "\u0301" in composing
    for character in map(chr, range(0x110000)):
        if normalization_break(character):
            first = unicodedata.normalize("NFD", character)[0]
            assert unicodedata.combining(first) == 0
            assert first not in composing
            assert not "\u1161" <= first <= "\u11c2"
            assert unicodedata.normalize("NFC", "a\u0323" + character)[:1] == "\u1ea1"
    assert all(normalization_break(character) for character in "a \n你가🙂é\u200b\u212a\uf900")


_ONE_SIDE = TemplateProcessing(single="$A [SEP]", special_tokens=[("[SEP]", 2)])


def altered(change) -> bytes:  # type: ignore[no-untyped-def]
    stored = Tokenizer.from_buffer(tiny_tokenizer_json())
    change(stored)
    return stored.to_str().encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"\xff\xfe",
        altered(lambda stored: setattr(stored, "model", WordLevel({"a": 0}, unk_token="a"))),
        altered(lambda stored: setattr(stored, "normalizer", StripAccents())),
        altered(lambda stored: setattr(stored, "pre_tokenizer", Split(Regex("a+"), "isolated"))),
        altered(lambda stored: setattr(stored, "model", BPE({"a": 0}, [], dropout=0.5))),
        altered(lambda stored: setattr(stored, "post_processor", _ONE_SIDE)),
    ],
    ids=["empty", "no model", "not text", "word level", "accents", "own expression", "dropout", "no template"],
)
def test_what_is_no_supported_tokenizer_is_refused(content: bytes) -> None:
    with pytest.raises(BundleCorruptError, match=r"tokenizer\.json"):
        PromptTokenizer(content, max_tokens=8)
