from __future__ import annotations

import contextlib
import random
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from tests.support.prompts import mixed_prompts, pieces
from tests.support.shared_data import TOKENIZER, needs
from vibe_router.errors import PromptError
from vibe_router.text.normalization import normalization_break
from vibe_router.text.stable_prefix import SettledTokens
from vibe_router.text.tokenizer import PromptTokenizer

ROOT = Path(__file__).resolve().parents[2]
MAX_TOKENS = 16


DENSE = (
    "-",
    "=",
    "*",
    "_",
    ".",
    "#",
    " ",
    "\n",
    "\t",
    "\u00a0",
    "'",
    "-'",
    "'s",
    "a",
    "é",
    "e\u0301",
    "你",
    "🙂",
    "\u212b",
)
TEXTS = st.lists(st.tuples(st.sampled_from((*DENSE, *pieces())), st.sampled_from((1, 1, 2, 30, 700, 3000))), max_size=6)
VOCABULARIES = [
    pytest.param(ROOT / "artifacts" / "nano" / "tokenizer.json", id="nano"),
    pytest.param(
        TOKENIZER,
        id="ModernBERT",
        marks=needs(TOKENIZER),
    ),
]


@cache
def whole(path: Path) -> Tokenizer:
    loaded = Tokenizer.from_file(str(path))
    loaded.encode_special_tokens = True
    loaded.no_truncation()
    return loaded


@cache
def capped(path: Path, max_tokens: int) -> PromptTokenizer:
    return PromptTokenizer(path.read_bytes(), max_tokens=max_tokens)


@pytest.mark.parametrize("path", VOCABULARIES)
@settings(max_examples=60, deadline=None)
@given(parts=TEXTS, max_tokens=st.sampled_from((3, 10, 24, 64)))
def test_capping_changes_no_kept_token_of_a_real_vocabulary(
    path: Path, parts: list[tuple[str, int]], max_tokens: int
) -> None:
    prompt = "".join(unit * count for unit, count in parts)
    try:
        encoded = capped(path, max_tokens).encode(prompt)
    except PromptError:
        runs = "".join("x" if normalization_break(character) else "m" for character in prompt)
        assert "m" * 1024 in runs, "only runs of marks may be refused"
        return
    ids = whole(path).encode(prompt).ids
    kept = ids if len(ids) <= max_tokens else [*ids[: max_tokens - 1], ids[-1]]
    assert (encoded.ids.tolist(), encoded.truncated) == (kept, len(ids) > max_tokens)


@pytest.mark.parametrize("path", VOCABULARIES)
@settings(max_examples=40, deadline=None)
@given(parts=TEXTS, rest=TEXTS, cut=st.integers(0, 6000))
def test_behind_certain_tokens_the_rest_is_read_by_itself(
    path: Path, parts: list[tuple[str, int]], rest: list[tuple[str, int]], cut: int
) -> None:
    text = "".join(unit * count for unit, count in parts)[:cut]
    following = "".join(unit * count for unit, count in rest)
    if not (text and following and normalization_break(following[0])):
        return
    encoding = whole(path).encode(text, add_special_tokens=False)
    split = settled(path).split(text, encoding)
    if split is None:
        return
    count, place = split
    together = whole(path).encode(text + following, add_special_tokens=False).ids
    apart = whole(path).encode(text[place:] + following, add_special_tokens=False).ids
    assert together == encoding.ids[:count] + apart


@cache
def settled(path: Path) -> SettledTokens:
    return SettledTokens(whole(path))


HOSTILE = {
    "words": "the quick brown fox ",
    "one letter": "a",
    "no space": "qzxjkvbpygfwmucldrhsnioate",
    "spaces": " ",
    "newlines": "\n",
    "line ends": "\r\n",
    "tabs": "\t",
    "dashes": "-",
    "equals": "=",
    "stars": "*",
    "hashes": "#",
    "dots": ".",
    "apostrophes": "'",
    "digits": "0",
    "nul": "\x00",
    "control characters": "\x1b\x07",
    "surrogates": "\ud800",
    "unassigned": "\U000e0fff",
    "noncharacters": "\uffff",
    "private use": "\ue000",
    "combining marks": "\u0301",
    "marks in the wrong order": "\u0301\u0323",
    "a letter with marks": "e\u0301\u0323",
    "kelvin signs": "\u212a",
    "a ligature": "\ufdfd",
    "ideographs": "你好",
    "conjoining jamo": "\u1100\u1161\u11a8",
    "emoji": "🙂",
    "families": "👩\u200d👩\u200d👧\u200d👦",
    "flags": "🇩🇪",
    "tags": "\U000e0061",
    "zero width": "\u200b\u200d\ufeff",
    "right to left": "\u202eשלום \u202c",
    "special tokens": "[SEP]",
    "added tokens": "|||EMAIL_ADDRESS|||",
    "end of text": "<|endoftext|>",
}


@pytest.mark.parametrize("path", VOCABULARIES)
@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE)
def test_ten_megabytes_are_read_no_further_than_ten_times_ten_kilobytes(
    path: Path, unit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    encode = PromptTokenizer._encode

    def spy(self: PromptTokenizer, text: str):  # type: ignore[no-untyped-def]
        read.append(len(text))
        return encode(self, text)

    def characters_read(size: int) -> int:
        read.clear()
        with contextlib.suppress(PromptError):
            encoded = capped(path, 512).encode(unit * (size // len(unit.encode("utf-8", "surrogatepass"))))
            assert 2 < len(encoded.ids) <= 512
        return sum(read)

    monkeypatch.setattr(PromptTokenizer, "_encode", spy)
    small = characters_read(10_000)
    assert characters_read(10_000_000) <= 10 * small


@pytest.mark.parametrize("path", VOCABULARIES)
@pytest.mark.parametrize("unit", ["-", "=", "a", " ", "\n", "🙂"])
def test_a_long_row_costs_no_more_than_a_few_of_its_pieces(
    path: Path, unit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    tokenizer = capped(path, 512)
    encode = PromptTokenizer._encode

    def spy(self: PromptTokenizer, text: str):  # type: ignore[no-untyped-def]
        read.append(len(text))
        return encode(self, text)

    monkeypatch.setattr(PromptTokenizer, "_encode", spy)
    ids = tokenizer.encode(unit * 300_000).ids.tolist()
    # 510 tokens of 256 dashes are 130,560 of them.
    assert sum(read) <= 12_288
    expected = whole(path).encode(unit * 140_000).ids
    assert ids == [*expected[:511], expected[-1]]


@needs(TOKENIZER)
def test_the_full_vocabulary_is_capped_without_a_change() -> None:
    letters = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz", k=20_000))
    for prompt in (*mixed_prompts(60, seed=5), letters):
        encoded = capped(TOKENIZER, 24).encode(prompt)
        ids = whole(TOKENIZER).encode(prompt).ids
        kept = ids if len(ids) <= 24 else [*ids[:23], ids[-1]]
        assert (encoded.ids.tolist(), encoded.truncated) == (kept, len(ids) > 24)
