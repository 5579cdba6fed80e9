"""The tokens of a text's beginning that are certain, whatever text follows.

Let A be the beginning that was read, cut where `normalization_break` allows, and B the rest. Then:

1. NFC(A + B) = NFC(A) + NFC(B), because the first character of B neither composes with nor is
   reordered before anything (UAX #15, section 9). The same holds of NFC after lower case: the library makes lower case
   character by character (Rust's `char::to_lowercase`, which knows no neighbours, not even for a final sigma), so
   lower(A + B) = lower(A) + lower(B), and no character that B may begin with becomes a mark, a conjoining jamo or any
   other before which text may not be cut.
2. Added tokens are found from left to right, the longest first, and depend on no more text than the
   longest of them is long. The splitting expression of GPT-2,
   `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+`, is also matched
   from left to right, and where a match ends depends on at most two characters after its end. So a word of
   A that ends far enough before the cut is a word of A + B, and words are encoded independently: its tokens
   are certain.
3. A word that reaches the cut (ten thousand letters without a break) continues in B, so BPE could merge
   otherwise. Merges are applied in the order of their rank, and a merge never crosses the end of a token of
   the result. Hence for any position that ends a token, the tokens before it are the BPE of the text before
   it (*prefix property*), and a sequence in which every two neighbours t, u encode as [t, u] is the BPE of
   its text (*pair property*). Let k be where the kept tokens end, t the last of them, and i any later
   position. In every continuation a token ends at i or lies across i, so one ends at i or at one of the
   finitely many places j at which a vocabulary entry that lies across i ends. If for each of them [t, first
   token of BPE(word[k:j])] encode as themselves, then BPE(word[:j]) begins with the kept tokens, and by the
   prefix property so does the BPE of every continuation.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate

from tokenizers import Encoding, Tokenizer

from vibe_router.text.normalization import normalization_break

# An NFC character has at most 4 bytes in UTF-8, and NFC makes at most 3 characters of one (UAX #15, table 8). After
# lower case it is no more: U+0130 alone becomes two characters, which have three bytes.
_BYTES_PER_CHARACTER = 4 * 3
# Characters after a match that can matter to the splitting expression.
_LOOKAHEAD = 2
# How many tokens after the kept ones the place i is tried: near ones are cheap, far ones nearly always
# settle it.
_TOKENS_AHEAD = (0, 1, 2, 4, 8, 16, 32)


class SettledTokens:
    """The argument above for one tokenizer: byte-level BPE, NFC or lower case and NFC, GPT-2's splitting expression."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        added = (token.content for token in tokenizer.get_added_tokens_decoder().values())
        self._tokenizer = tokenizer
        self.reserve = _BYTES_PER_CHARACTER * (max(map(len, added), default=0) + _LOOKAHEAD)

    def first(self, limit: int, tokens: Sequence[str], words: Sequence[int | None]) -> bool:
        """Return whether the first `limit` of the `tokens` are certain and are followed by another one.

        `tokens` are the vocabulary entries for the text that was read, `words` the number of each one's word.
        """
        if len(tokens) <= limit:
            return False
        if limit == 0:
            return True
        last_word = words[limit - 1]
        start = words.index(last_word)
        end = next((index for index in range(limit, len(tokens)) if words[index] != last_word), len(tokens))
        if sum(map(len, tokens[end:])) >= self.reserve:
            return True
        word = "".join(tokens[start:end])
        # What is surely part of the word in every continuation.
        word = word[: max(0, len(word) - self.reserve)]
        kept = len("".join(tokens[start:limit]))
        window = kept
        for ahead in range(end - limit):
            if window + self._longest > len(word):
                return False
            if ahead in _TOKENS_AHEAD and self._kept_in_all(word, kept, window, last=tokens[limit - 1]):
                return True
            window += len(tokens[limit + ahead])
        return False

    def split(self, text: str, encoding: Encoding) -> tuple[int, int] | None:
        """Return how many tokens of the `text` that was read are certain, and the place after them to read on from.

        That place is in the second half of the text; None where none is found there.
        """
        tokens, words, offsets = encoding.tokens, encoding.word_ids, encoding.offsets
        half = len(text) // 2
        for count in self._certain(tokens, words):
            place = offsets[count][0]
            inside_a_character = offsets[count - 1][1] > place
            if place >= half and not inside_a_character and normalization_break(text[place]):
                return count, place
        return None

    def _certain(self, tokens: Sequence[str], words: Sequence[int | None]) -> Iterator[int]:
        """Yield numbers of certain tokens: up to ends of words, the last first, then one inside the last word."""
        behind = 0
        for count in range(len(tokens) - 1, 0, -1):
            behind += len(tokens[count])
            if words[count] != words[count - 1] and behind >= self.reserve:
                yield count
        start = words.index(words[-1])
        ends = [*accumulate(map(len, tokens[start:]))]
        # Nearer ones leave more places to try after them.
        for part in (1.0, 0.8, 0.6):
            count = start + bisect_right(ends, part * (ends[-1] - self.reserve - self._longest))
            if count > start and self.first(count, tokens, words):
                yield count
                return

    def _kept_in_all(self, word: str, kept: int, window: int, *, last: str) -> bool:
        """Return whether a token surely ends at `kept`; `last` is the one before it, `window` the place i."""
        ends = {
            start + length
            for length in self._lengths
            for start in range(max(0, window - length + 1), window)
            if word[start : start + length] in self._vocabulary
        }
        return all(self._compatible(last, self._bpe(word[kept:end])[0]) for end in ends | {window} if end > kept)

    def _compatible(self, left: str, right: str) -> bool:
        return self._bpe(left + right) == [left, right]

    def _bpe(self, text: str) -> list[str]:
        return [token.value for token in self._tokenizer.model.tokenize(text)]

    # Only endless words need these, so that loading a bundle does not pay for them.
    @cached_property
    def _vocabulary(self) -> frozenset[str]:
        return frozenset(self._tokenizer.get_vocab(with_added_tokens=False))

    @cached_property
    def _lengths(self) -> tuple[int, ...]:
        return tuple(sorted({len(token) for token in self._vocabulary}))

    @cached_property
    def _longest(self) -> int:
        return self._lengths[-1]
