"""`tokenizer.json` checked before the tokenizers library reads it.

The library trusts its input: regular expressions, tables and templates in the file can cost minutes, gigabytes or the
process, and while it reads no other Python thread runs. So the kinds of parts, their sizes and the lengths of texts are
checked here first. Vocabulary and merges are most of the file and name no kinds: they are cut out, their
brackets and the lengths of their texts are checked, and only the rest, the outline, is parsed.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vibe_router.bundle.strict_json import AGAIN, parse_json, shown
from vibe_router.errors import BundleCorruptError
from vibe_router.text.tokenizer_parts import part_problem, small_problem

_FILE = "tokenizer.json"
# ModernBERT's has 2 MB, vocabularies of 256 k entries have 34.
_MOST_BYTES = 2**26
# Bytes of one text in the file, escapes included: an entry, a merge, an added token. ModernBERT's longest has 2,000.
_MOST_TEXT = 4096
_MOST_OUTLINE = 2**22
_MOST_ADDED, _MOST_ADDED_LENGTH, _MOST_ADDED_CHARACTERS = 8192, 256, 2**17
_CUT = ("vocab", "merges")
# With the bit of lower case, "[" is "{" and "]" is "}" in ASCII.
_OPEN, _CLOSE, _LOWER = ord("{"), ord("}"), 0x20
_QUOTE, _BACKSLASH = ord('"'), ord("\\")

_PARTS = frozenset(
    {
        "version",
        "truncation",
        "padding",
        "added_tokens",
        "normalizer",
        "pre_tokenizer",
        "post_processor",
        "decoder",
        "model",
    }
)
_ADDED = frozenset({"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"})
_BPE, _UNIGRAM = "BPE", "Unigram"
_UNIGRAM_TYPE = re.compile(rb'"type"\s*:\s*"Unigram"')
# Each character of a Unigram's vocabulary can become a node of the library's tree.
_MOST_UNIGRAM_BYTES = 3 * 2**22
# Where each entry begins the next longer one, the library copies all of them at every character of a prompt.
_MOST_UNIGRAM_TEXT = 256
# Put before or after every word of a prompt. Those that there are have at most four characters.
_AROUND_WORDS, _MOST_AROUND_WORDS = ("continuing_subword_prefix", "end_of_word_suffix"), 16


def check_tokenizer_file(content: bytes) -> None:
    """Check the bytes of a `tokenizer.json`.

    Raises:
        BundleCorruptError: it is too large, not JSON, or has a part of a kind or a size that no router's has.
    """
    if len(content) > _MOST_BYTES:
        raise corrupt_tokenizer(f"it has {len(content)} bytes; at most {_MOST_BYTES} are read")
    # A Unigram has no merges, and nothing else of the file may be cut out unread.
    is_unigram = _UNIGRAM_TYPE.search(content) is not None
    if is_unigram and len(content) > _MOST_UNIGRAM_BYTES:
        raise corrupt_tokenizer(f"it has {len(content)} bytes; at most {_MOST_UNIGRAM_BYTES} of a Unigram are read")
    cut, most_text = (1, _MOST_UNIGRAM_TEXT) if is_unigram else (len(_CUT), _MOST_TEXT)
    outline = parse_json(_outline(content, cut=cut, most_text=most_text), _FILE)
    if not isinstance(outline, dict) or not outline.keys() <= _PARTS or not isinstance(outline.get("model"), dict):
        raise corrupt_tokenizer("it is not an object of a tokenizer's parts")
    for name in ("normalizer", "pre_tokenizer", "post_processor", "decoder"):
        _refuse(part_problem(name, outline.get(name)))
    for name in ("truncation", "padding", "version"):
        _refuse(small_problem(outline.get(name), name))
    _check_added(outline.get("added_tokens", []))
    _check_model(outline["model"], kind=_UNIGRAM if is_unigram else _BPE)


def _check_model(model: dict[str, Any], *, kind: str) -> None:
    if model.get("type") != kind:
        raise corrupt_tokenizer(f"its model of the kind {shown(model.get('type'))} is none of {_BPE}, {_UNIGRAM}")
    cut = _CUT if kind == _BPE else _CUT[:1]
    if any(model.get(name) not in ({}, []) for name in cut):
        raise corrupt_tokenizer("its model has no vocabulary or no merges")
    around = [model[name] for name in _AROUND_WORDS if model.get(name) is not None]
    if not all(isinstance(text, str) and len(text) <= _MOST_AROUND_WORDS for text in around):
        raise corrupt_tokenizer(f"its model puts more than {_MOST_AROUND_WORDS} characters around every word")
    for key, value in model.items():
        _refuse(small_problem(value, f"model.{key}"[:64]))


def _outline(content: bytes, *, cut: int, most_text: int) -> bytes:
    """Return `content` with the `cut` largest values three brackets deep emptied, whose texts are to be short.

    They are meant to be the model's vocabulary and merges. If others were cut, the outline shows it: the model's
    vocabulary or merges are not empty then, and are refused.
    """
    starts, ends = _values(np.frombuffer(content, np.uint8), cut=cut, most_text=most_text)
    kept, place = [], 0
    for start, end in zip(starts, ends, strict=True):
        kept.append(content[place : start + 1])
        place = end
    outline = b"".join([*kept, content[place:]])
    if len(outline) > _MOST_OUTLINE:
        raise corrupt_tokenizer(f"it has {len(outline)} bytes beside the vocabulary; at most {_MOST_OUTLINE} are read")
    return outline


def _values(data: NDArray[np.uint8], *, cut: int, most_text: int) -> tuple[list[int], list[int]]:
    """Return where the `cut` longest values three brackets deep begin and end, in the order of the file.

    No text in them has more than `most_text` bytes, and none in the file more than `_MOST_TEXT`.

    `data` is uint8 [bytes]. A text begins at every other quote that is not escaped, and what is in it is no bracket.
    """
    lower = data | _LOWER
    marks = (data == _QUOTE) | (lower == _OPEN) | (lower == _CLOSE)
    marks[_escaped(data)] = False
    places = np.flatnonzero(marks)
    quoted = data[places] == _QUOTE
    quotes = places[quoted]
    if len(quotes) % 2:
        raise corrupt_tokenizer("it is not valid JSON: a text does not end")
    if len(quotes) and int((quotes[1::2] - quotes[::2]).max()) > _MOST_TEXT:
        raise corrupt_tokenizer(f"it has a text of more than {_MOST_TEXT} bytes")
    brackets = places[~quoted & (np.cumsum(quoted, dtype=np.uint8) % 2 == 0)]
    opening = lower[brackets] == _OPEN
    depth = np.cumsum(np.where(opening, 1, -1))
    starts = brackets[opening & (depth == 3)]
    ends = brackets[~opening & (depth == 2)]
    if len(depth) == 0 or depth.min() < 0 or depth[-1] != 0 or len(starts) != len(ends):
        raise corrupt_tokenizer("it is not valid JSON: brackets do not match")
    longest = np.sort(np.argsort(ends - starts, kind="stable")[-cut:])
    # A merge may be a pair, [left, right], and no value in there is deeper.
    for start, end in zip(starts[longest], ends[longest], strict=True):
        first, last = np.searchsorted(brackets, (start, end))
        if depth[first:last].max() > 4:
            raise corrupt_tokenizer("its vocabulary or merges are nested too deep")
        first, last = np.searchsorted(quotes, (start, end))
        texts = quotes[first:last]
        if len(texts) and int((texts[1::2] - texts[::2]).max()) > most_text + 1:
            raise corrupt_tokenizer(f"its vocabulary has a text of more than {most_text} bytes")
    return starts[longest].tolist(), ends[longest].tolist()


def _escaped(data: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return the places after a backslash that is not escaped itself: every other one of a run of them."""
    backslashes = np.flatnonzero(data[:-1] == _BACKSLASH)
    index = np.arange(len(backslashes))
    starts = np.flatnonzero(np.diff(backslashes, prepend=-2) != 1)
    in_run = index - np.repeat(starts, np.diff(starts, append=len(backslashes)))
    escaped: NDArray[np.intp] = backslashes[in_run % 2 == 0] + 1
    return escaped


def _check_added(tokens: Any) -> None:
    if not isinstance(tokens, list) or len(tokens) > _MOST_ADDED:
        raise corrupt_tokenizer(f"its added tokens are not a list of at most {_MOST_ADDED}")
    characters = 0
    for token in tokens:
        if not isinstance(token, dict) or token.keys() != _ADDED or not isinstance(token["content"], str):
            raise corrupt_tokenizer("an added token is not what the library writes")
        length = len(token["content"])
        characters += length
        if not 1 <= length <= _MOST_ADDED_LENGTH or characters > _MOST_ADDED_CHARACTERS:
            raise corrupt_tokenizer(f"an added token has {length} characters, or all of them together too many")
        _refuse(small_problem(token["id"], "id of an added token"))


def _refuse(problem: str | None) -> None:
    if problem is not None:
        raise corrupt_tokenizer(problem)


def corrupt_tokenizer(message: str) -> BundleCorruptError:
    """Return the error of a `tokenizer.json` that is not read."""
    return BundleCorruptError(f"{_FILE}: {message}", hint=AGAIN)
