"""A `tokenizer.json` by somebody who writes what he likes never reaches the library that would believe it."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.bundles import replace_file, tiny_tokenizer_json, write_bundle
from vibe_router import Router
from vibe_router.errors import BundleCorruptError
from vibe_router.text import tokenizer as tokenizer_module
from vibe_router.text.tokenizer import PromptTokenizer
from vibe_router.text.tokenizer_file import check_tokenizer_file

Change = Callable[[dict[str, Any]], object]


def _added(content: str, **changes: Any) -> dict[str, Any]:
    switches = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    return {"id": 10**6, "content": content, **switches, **changes}


def _part(name: str, value: Any) -> Change:
    return lambda t: t.update({name: value})


def _nested(kind: str, key: str, depth: int) -> dict[str, Any]:
    part: dict[str, Any] = {"type": kind}
    for _ in range(depth):
        part = {"type": "Sequence", key: [part]}
    return part


def _precompiled(table: bytes) -> dict[str, Any]:
    return {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(table).decode()}


def _expression(pattern: str) -> dict[str, Any]:
    return {"pattern": {"Regex": pattern}}


_SPLIT = {"type": "Split", "behavior": "Isolated", "invert": False}
_REPEATED = "(?:(?:(?:a{1000}){1000}){1000})"
HOSTILE: dict[str, Change] = {
    "expression that expands": _part("pre_tokenizer", {**_SPLIT, **_expression(_REPEATED)}),
    "expression nested deep": _part("pre_tokenizer", {**_SPLIT, **_expression("(" * 999 + "a" + ")" * 999)}),
    "expression in a normalizer": _part("normalizer", {"type": "Replace", "content": "x", **_expression(_REPEATED)}),
    "expression in a decoder": _part("decoder", {"type": "Replace", "content": "x", **_expression(_REPEATED)}),
    "decoders nested": _part("decoder", _nested("Fuse", "decoders", 60)),
    "normalizers nested": _part("normalizer", _nested("NFC", "normalizers", 60)),
    "processors nested": _part("post_processor", _nested("ByteLevel", "processors", 60)),
    "table of four gigabytes": _part("normalizer", _precompiled(b"\xff\xff\xff\xff" + bytes(8))),
    "table cut off": _part("normalizer", _precompiled(b"\xff\xff\xff\xff")),
    "another model": _part("model", {"type": "WordPiece", "unk_token": "a", "vocab": {"a": 0}, "merges": []}),
    "normalizers that hide behind a Unigram": lambda t: t.update(
        model={"type": "Unigram", "unk_id": 0, "vocab": [["a", 0.0]]},
        normalizer={"type": "Sequence", "normalizers": [_precompiled(bytes(9))] * 9},
    ),
    "Unigram of many megabytes": lambda t: t.update(
        model={"type": "Unigram", "unk_id": 0, "vocab": [["é" * 1000, 0.0]] * 7000}
    ),
    "replacement by a long text": _part(
        "normalizer", {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 1000}
    ),
    "replacements that grow": _part(
        "normalizer",
        {
            "type": "Sequence",
            "normalizers": [{"type": "Replace", "pattern": {"String": "a"}, "content": "aaaa"}] * 8,
        },
    ),
    "compatibility that grows, and replacements": _part(
        "normalizer",
        {
            "type": "Sequence",
            "normalizers": [{"type": "NFKC"}, {"type": "Replace", "pattern": {"String": "a"}, "content": "aaaa"}],
        },
    ),
    "bytes of bytes": _part(
        "pre_tokenizer",
        {
            "type": "Sequence",
            "pretokenizers": [{"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}]
            * 2,
        },
    ),
    "Unigram of entries that begin one another": lambda t: t.update(
        model={"type": "Unigram", "unk_id": 0, "vocab": [["a" * length, 0.0] for length in range(1, 258)]}
    ),
    "long text after every word": lambda t: t["model"].update(end_of_word_suffix="x" * 17),
    "long text before every part of a word": lambda t: t["model"].update(continuing_subword_prefix="x" * 4000),
    "a number after every word": lambda t: t["model"].update(end_of_word_suffix=1),
    "replacement of nothing": _part("normalizer", {"type": "Replace", "pattern": {"String": ""}, "content": "a"}),
    "a sequence in a sequence": _part("normalizer", _nested("NFC", "normalizers", 2)),
    "no model": _part("model", None),
    "padding of 2^62": _part("padding", {"strategy": {"Fixed": 2**62}, "direction": "Right"}),
    "stride of 2^60": _part("truncation", {"max_length": 1, "stride": 2**60}),
    "template of many pieces": lambda t: t["post_processor"].update(single=t["post_processor"]["single"] * 99),
    "template of many ids": lambda t: t["post_processor"]["special_tokens"]["[CLS]"].update(ids=[1] * 99),
    "template of an id beyond int32": lambda t: t["post_processor"]["special_tokens"]["[CLS]"].update(ids=[2**32 - 1]),
    "long added token": lambda t: t["added_tokens"].append(_added("a" * 300)),
    "very long added token": lambda t: t["added_tokens"].append(_added("a" * 20_000)),
    "long added tokens together": lambda t: t["added_tokens"].extend(_added("a" * 200) for _ in range(1000)),
    "many added tokens": lambda t: t["added_tokens"].extend(_added(f"<x{k}>") for k in range(9000)),
    "empty added token": lambda t: t["added_tokens"].append(_added("")),
    "added token of an id beyond int32": lambda t: t["added_tokens"].append(_added("x", id=2**31 + 1)),
    "added token with a key of its own": lambda t: t["added_tokens"].append(_added("x", more=1)),
    "long entry": lambda t: t["model"]["vocab"].update({"x" * 5000: 1}),
    "long merge": lambda t: t["model"]["merges"].append(["x" * 5000, "y"]),
    "vocabulary of objects": lambda t: t["model"]["vocab"].update({"x": {"y": {"z": 1}}}),
    "merges nested": lambda t: t["model"]["merges"].append([[[["x"]]]]),
    "unknown part": _part("more", {"type": "Split"}),
    "model in another part": _part("decoder", {"type": "ByteLevel", "vocab": {f"k{i}": i for i in range(9999)}}),
}


# The error becomes one of a damaged tokenizer, as any error of the library does.
SEEN = "the library has seen it"


@pytest.fixture
def _unread(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unread:
        @staticmethod
        def from_buffer(_: bytes) -> None:
            raise AssertionError(SEEN)

    monkeypatch.setattr(tokenizer_module, "Tokenizer", Unread)


@pytest.mark.usefixtures("_unread")
@pytest.mark.parametrize("case", HOSTILE)
def test_what_no_router_has_is_refused_before_the_library_reads_it(case: str) -> None:
    parts = json.loads(tiny_tokenizer_json())
    HOSTILE[case](parts)
    with pytest.raises(BundleCorruptError) as caught:
        PromptTokenizer(json.dumps(parts).encode(), max_tokens=64)
    assert SEEN not in caught.value.message
    assert len(caught.value.message) < 400


@pytest.mark.usefixtures("_unread")
@pytest.mark.parametrize(
    "content",
    [b"", b"null", b"[]", b"\xff", b'"', b"[" * 10**6, b'{"a":' * 10**6, b"]" * 9, b'{"x":[' + b"1," * 2**25 + b"1]}"],
    ids=["empty", "null", "list", "latin", "quote", "brackets", "objects", "ends", "numbers"],
)
def test_what_is_no_json_of_a_tokenizer_is_refused(content: bytes) -> None:
    with pytest.raises(BundleCorruptError) as caught:
        PromptTokenizer(content, max_tokens=64)
    assert SEEN not in caught.value.message


@pytest.mark.usefixtures("_unread")
def test_a_second_model_is_refused() -> None:
    text = tiny_tokenizer_json()[:-1] + b',"model":{"type":"BPE","vocab":{},"merges":[]}}'
    with pytest.raises(BundleCorruptError, match="stands twice"):
        PromptTokenizer(text, max_tokens=64)


@pytest.mark.parametrize("seed", range(40))
def test_no_text_of_the_vocabulary_is_taken_for_structure(seed: int) -> None:
    """Quotes, backslashes and brackets in entries and merges hide nothing that stands next to them."""
    draw = random.Random(seed)

    def text() -> str:
        return "".join(draw.choice('ab"\\{}[],:é') for _ in range(draw.randrange(1, 12)))

    parts = json.loads(tiny_tokenizer_json())
    merges: list[Any] = [[text(), text()] if seed % 2 else text() for _ in range(400)]
    parts["model"] |= {"vocab": {text(): number for number in range(400)}, "merges": merges}
    check_tokenizer_file(json.dumps(parts, ensure_ascii=bool(seed % 3), indent=seed % 4 or None).encode())
    parts["normalizer"] = {"type": "StripAccents"}
    with pytest.raises(BundleCorruptError, match="StripAccents"):
        check_tokenizer_file(json.dumps(parts, ensure_ascii=bool(seed % 3)).encode())


def test_a_bundle_with_a_hostile_tokenizer_gives_no_router(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "bundle")
    parts = json.loads(tiny_tokenizer_json())
    HOSTILE["table of four gigabytes"](parts)
    replace_file(folder, "tokenizer.json", json.dumps(parts).encode())
    with pytest.raises(BundleCorruptError, match="Precompiled"):
        Router.load(folder, threads=1)
