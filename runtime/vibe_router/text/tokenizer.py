"""Text to token ids: the one place that cleans, caps and truncates prompts.

The reference is the transformers tokenizer of the same `tokenizer.json` with `split_special_tokens=True`:
byte-level BPE after NFC, or after lower case and NFC, `[CLS] ... [SEP]`, cut to at most `max_tokens` ids with [SEP]
kept, and literal special tokens in the prompt are text like any other. Where the reference knows no ids, for lone
surrogates, each is read as U+FFFD, as text that came from JavaScript is made well-formed elsewhere.

Only as much of a long prompt is read as the kept ids need, so 10 MB cost about what 10 kB do.
`vibe_router.text.stable_prefix` holds the argument why the kept ids are those of the whole prompt. Tokenizers that it
does not cover (Gemma's BPE with bytes as a fallback, Unigram, other normalizers, other splittings) read prompts whole,
up to a bound.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel

from vibe_router.errors import PromptError, VibeRouterError
from vibe_router.text.normalization import normalization_break, normalization_of
from vibe_router.text.plain import MARKS_IN_A_ROW, MOST_MARKS, READ_THE_BEGINNING, UNBROKEN, plain_text
from vibe_router.text.stable_prefix import SettledTokens
from vibe_router.text.tokenizer_file import check_tokenizer_file, corrupt_tokenizer

# Characters read at first, per token kept: ordinary text has four or five of them in a token.
_CHARACTERS_PER_TOKEN = 8
# Most characters read for one prompt; more than any vocabulary's longest tokens in a row need.
_MOST_CHARACTERS = 2**21

# Most characters of a prompt that is read whole; in the order of a tenth of a second.
MOST_WHOLE = 2**17

_SURROGATES = re.compile("[\ud800-\udfff]")

T = TypeVar("T")


@dataclass(frozen=True)
class TokenizedPrompt:
    """`ids` is int64 [tokens], [CLS] and [SEP] included; `truncated` says that the prompt had more."""

    ids: NDArray[np.int64]
    truncated: bool

    @property
    def tokens(self) -> int:
        """How many ids there are."""
        return len(self.ids)


class PromptTokenizer:
    """The tokenizer of one bundle. Safe to use from several threads."""

    def __init__(self, content: bytes, *, max_tokens: int) -> None:
        """Read the bytes of a `tokenizer.json`.

        Raises:
            BundleCorruptError: it is no tokenizer, of a kind that is not read, or does not put one token on either
                side.
        """
        self._tokenizer = _no_panic(lambda: _load(content), corrupt_tokenizer)
        _require_supported(self._tokenizer)
        self._settled = SettledTokens(self._tokenizer) if _is_covered(self._tokenizer) else None
        self._start, self._end = (np.array([token], np.int64) for token in self._tokenizer.encode("").ids)
        self._limit = max_tokens - 2

    @property
    def reads_whole(self) -> bool:
        """Whether prompts are read to their end, up to `MOST_WHOLE` characters, whatever number of tokens is kept."""
        return self._settled is None

    def encode(self, prompt: str) -> TokenizedPrompt:
        """Return the ids of `prompt`.

        Raises:
            PromptError: not a string, text (such as thousands of combining marks in a row) that cannot be cut where
                the tokens before the cut are certain, or more than can be read whole where that is needed.
        """
        if type(prompt) is not str:
            prompt = plain_text(prompt)
        ids, truncated = _no_panic(lambda: self._content(prompt), _bad_prompt)
        return TokenizedPrompt(np.concatenate([self._start, np.array(ids, np.int64), self._end]), truncated)

    def _content(self, prompt: str) -> tuple[list[int], bool]:
        """Return the ids between the first and the last, and whether there were more.

        Most prompts are read at once. Dense text, such as a row of dashes, packs hundreds of characters into a token:
        it is read in pieces, each from where the tokens before it are certain. Rows repeat, and so do pieces.
        """
        if self._settled is None:
            return self._whole(prompt)
        ids: list[int] = []
        place, size = 0, _CHARACTERS_PER_TOKEN * (self._limit + 2)
        pieces: dict[str, tuple[list[int], int]] = {}
        while len(ids) < self._limit or place == 0:
            cut = _cut(prompt, place + size)
            text = prompt[place:cut]
            if text not in pieces:
                encoding = self._encode(text)
                wanted = self._limit - len(ids)
                if cut == len(prompt):
                    return ids + encoding.ids[:wanted], len(encoding) > wanted
                if self._settled.first(wanted, encoding.tokens, encoding.word_ids):
                    return ids + encoding.ids[:wanted], True
                split = self._settled.split(text, encoding)
                if split is None:
                    size = self._larger(size)
                    continue
                pieces[text] = encoding.ids[: split[0]], split[1]
            more, length = pieces[text]
            ids += more
            place += length
        return ids[: self._limit], True

    def _whole(self, prompt: str) -> tuple[list[int], bool]:
        if len(prompt) > MOST_WHOLE:
            raise PromptError(
                f"the prompt has {len(prompt)} characters; this bundle's tokenizer reads at most {MOST_WHOLE}",
                hint=READ_THE_BEGINNING,
            )
        encoding = self._encode(prompt)
        return encoding.ids[: self._limit], len(encoding) > self._limit

    def _larger(self, size: int) -> int:
        if 2 * size > _MOST_CHARACTERS:
            raise PromptError(
                f"{size} characters do not settle the first {self._limit} tokens",
                hint=UNBROKEN,
            )
        return 2 * size

    def _encode(self, text: str) -> Encoding:
        if not text.isascii():
            text = _SURROGATES.sub("\ufffd", text)
        return self._tokenizer.encode(text, add_special_tokens=False)


def _load(content: bytes) -> Tokenizer:
    check_tokenizer_file(content)
    tokenizer = Tokenizer.from_buffer(content)
    tokenizer.encode_special_tokens = True
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _require_supported(tokenizer: Tokenizer) -> None:
    """Refuse models that draw lots, and templates that do not put one token on either side."""
    if isinstance(tokenizer.model, BPE) and tokenizer.model.dropout:
        raise corrupt_tokenizer("its model drops merges by chance")
    if len(_no_panic(lambda: tokenizer.encode(""), corrupt_tokenizer).ids) != 2:
        raise corrupt_tokenizer("its template does not put exactly one token before and one after the text")


def _is_covered(tokenizer: Tokenizer) -> bool:
    """Return whether the argument in `vibe_router.text.stable_prefix` covers the tokenizer: byte-level BPE over NFC.

    NFC may follow lower case, or be left out.
    """
    model, splitter = tokenizer.model, tokenizer.pre_tokenizer
    return (
        isinstance(model, BPE)
        and not model.ignore_merges
        and not model.continuing_subword_prefix
        and not model.end_of_word_suffix
        and normalization_of(tokenizer) is not None
        and isinstance(splitter, ByteLevel)
        and splitter.use_regex
        and not splitter.add_prefix_space
        and all(
            token.special or not (token.lstrip or token.rstrip or token.single_word)
            for token in tokenizer.get_added_tokens_decoder().values()
        )
    )


def _cut(prompt: str, size: int) -> int:
    """Return the first place at or after `size` where the text can be normalised in two halves."""
    if size + MOST_MARKS >= len(prompt):
        return len(prompt)
    for position in range(size, size + MOST_MARKS):
        if normalization_break(prompt[position]):
            return position
    message, hint = MARKS_IN_A_ROW
    raise PromptError(message, hint=hint)


def _no_panic(call: Callable[[], T], failure: Callable[[str], Exception]) -> T:
    """Return what `call` returns; a panic of the Rust library, which is no Exception, becomes `failure`."""
    try:
        return call()
    except VibeRouterError:
        raise
    except Exception as error:
        raise failure(str(error)) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise failure(f"the tokenizer library panicked: {error}") from error


def _bad_prompt(message: str) -> PromptError:
    return PromptError(f"the prompt cannot be tokenized: {message}", hint="report this prompt's kind of text")
