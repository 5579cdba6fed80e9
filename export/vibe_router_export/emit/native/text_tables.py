"""The tables of the C tokenizer, from a `tokenizer.json`: native/text/tables.h says what each holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from vibe_router.errors import CheckpointError
from vibe_router.text.normalization import normalization_of
from vibe_router.text.stable_prefix import SettledTokens
from vibe_router.text.tokenizer import PromptTokenizer

Integers = NDArray[np.int32]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class TextTables:
    """Everything that a prompt needs to become ids; `numbers` are those of `VrTextNumbers`, in its order."""

    numbers: Integers
    byte_ids: Integers
    merge_starts: Integers
    merges: Integers
    token_starts: Integers
    token_bytes: Bytes
    token_order: Integers
    added: Integers
    added_bytes: Bytes


def text_tables(tokenizer_json: bytes, *, max_tokens: int) -> TextTables:
    """Return the tables of a tokenizer that the runtime takes.

    Raises:
        BundleCorruptError: it is no such tokenizer.
        CheckpointError: the C tokenizer cannot do what it asks for.
    """
    prompts = PromptTokenizer(tokenizer_json, max_tokens=max_tokens)
    start, end = prompts.encode("").ids.tolist()
    tokenizer = Tokenizer.from_buffer(tokenizer_json)
    data = json.loads(tokenizer_json)
    model: dict[str, Any] = data["model"]
    vocabulary: dict[str, int] = model["vocab"]
    size = max(tokenizer.get_vocab(with_added_tokens=True).values()) + 1
    byte_ids = np.array([vocabulary.get(character, -1) for character in _alphabet()], np.int32)
    normalizes = normalization_of(tokenizer)
    if prompts.reads_whole or normalizes is None:
        raise _unsupported("it is of a kind of which prompts are read whole")
    if model["unk_token"] is not None and (byte_ids < 0).any():
        raise _unsupported("it has an unknown token, and not every byte in its vocabulary")
    token_starts, token_bytes, token_order = _tokens(vocabulary, size)
    merge_starts, merges = _merges(model["merges"], vocabulary, size)
    added, added_bytes = _added(tokenizer)
    reserve, longest = SettledTokens(tokenizer).reserve, max(map(len, vocabulary))
    return TextTables(
        numbers=np.array([size, start, end, max_tokens, reserve, longest, normalizes], np.int32),
        byte_ids=byte_ids,
        merge_starts=merge_starts,
        merges=merges,
        token_starts=token_starts,
        token_bytes=token_bytes,
        token_order=token_order,
        added=added,
        added_bytes=added_bytes,
    )


def _unsupported(message: str) -> CheckpointError:
    return CheckpointError(f"tokenizer.json: {message}", hint="use `router-export onnx --precision int8`")


def _alphabet() -> list[str]:
    """Return the character that stands for each byte in a byte-level vocabulary (GPT-2, encoder.py)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) if byte in printable else chr(256 + others.index(byte)) for byte in range(256)]


def _tokens(vocabulary: dict[str, int], size: int) -> tuple[Integers, Bytes, Integers]:
    """Return where the bytes of each token begin, the bytes, and the tokens in their order."""
    values = {character: byte for byte, character in enumerate(_alphabet())}
    texts = {
        token: bytes(values[character] for character in text)
        for text, token in vocabulary.items()
        if all(character in values for character in text)
    }
    starts = np.zeros(size + 1, np.int32)
    starts[1:] = np.cumsum([len(texts.get(token, b"")) for token in range(size)])
    content = b"".join(texts.get(token, b"") for token in range(size))
    order = sorted(texts, key=lambda token: texts[token])
    return starts, np.frombuffer(content, np.uint8), np.array(order, np.int32)


def _merges(listed: list[str | list[str]], vocabulary: dict[str, int], size: int) -> tuple[Integers, Integers]:
    """Return where the merges of each left token begin, and right token, rank and result of each merge."""
    merges: dict[tuple[int, int], tuple[int, int]] = {}
    for rank, pair in enumerate(listed):
        left, right = pair.split(" ") if isinstance(pair, str) else pair
        # Of a pair that is listed twice the library keeps the last.
        merges[vocabulary[left], vocabulary[right]] = rank, vocabulary[left + right]
    rows = [(left, right, *merges[left, right]) for left, right in sorted(merges)]
    table = np.array(rows, np.int32).reshape(-1, 4)
    starts = np.searchsorted(table[:, 0], np.arange(size + 1)).astype(np.int32)
    return starts, np.ascontiguousarray(table[:, 1:])


def _added(tokenizer: Tokenizer) -> tuple[Integers, Bytes]:
    rows: list[tuple[int, ...]] = []
    content = b""
    for token, text, normalized, special in sorted(_added_tokens(tokenizer), key=_search_order):
        rows.append((token, len(content), len(text), len(text.decode()), normalized, special))
        content += text
    return np.array(rows, np.int32).reshape(-1, 6), np.frombuffer(content, np.uint8)


def _added_tokens(tokenizer: Tokenizer) -> Iterator[tuple[int, bytes, bool, bool]]:
    """Yield number, text, and whether it is found in normalised text and is special."""
    for token, added in tokenizer.get_added_tokens_decoder().items():
        text: str = added.content
        if added.normalized and tokenizer.normalizer is not None:
            text = tokenizer.normalizer.normalize_str(text)
        if not text:
            raise _unsupported("it has an empty added token")
        yield token, text.encode(), added.normalized, added.special


def _search_order(added: tuple[int, bytes, bool, bool]) -> tuple[bool, int, int, bool]:
    """Bring those that are found first to the front; of those with one first byte the longest.

    Of those that are equal once they are normalised the library finds a special one, then the one with the lowest id.
    """
    _, text, normalized, special = added
    return normalized, text[0], -len(text), not special
