"""What a tokenizer does to text before it cuts it into words, and where it does it to two halves one by one."""

from __future__ import annotations

import json
import unicodedata
from enum import IntEnum

from tokenizers import Tokenizer


class Normalization(IntEnum):
    """What is done to text; the values are those of the C tokenizer, native/text/tables.h."""

    NONE = 0
    NFC = 1
    LOWER_CASE_NFC = 2
    """Lower case, then NFC: `Sequence([Lowercase(), NFC()])` of the `tokenizers` library."""


_SHAPES: dict[Normalization, object] = {
    Normalization.NFC: {"type": "NFC"},
    Normalization.LOWER_CASE_NFC: {"type": "Sequence", "normalizers": [{"type": "Lowercase"}, {"type": "NFC"}]},
}


def normalization_of(tokenizer: Tokenizer) -> Normalization | None:
    """Return what a tokenizer's normalizer does; None where it is none of these, written in exactly these shapes."""
    if tokenizer.normalizer is None:
        return Normalization.NONE
    shape = json.loads(tokenizer.normalizer.__getstate__())
    return next((one for one, known in _SHAPES.items() if known == shape), None)


def normalization_break(character: str) -> bool:
    """Return whether text may be cut before `character` and its halves normalised one by one.

    It may be cut where the first character of the canonical decomposition neither moves nor composes with anything
    before it (UAX #15, section 9.1). Python does not expose the second, so this is stricter: it refuses all marks, the
    vowels and final consonants of conjoining Hangul, and Kirat Rai's vowels. It also refuses unassigned characters,
    because the tokenizer's tables may be newer than Python's.

    Lower case changes nothing about that: the library makes it character by character, whatever stands around, and
    where `character` is allowed here, so is the first character of what it becomes.
    """
    if character.isascii():
        return True
    first = unicodedata.normalize("NFD", character)[0]
    conjoining = "\u1160" <= first <= "\u11ff" or "\ud7b0" <= first <= "\ud7ff"
    kirat_rai = "\U00016d40" <= first <= "\U00016d7f"
    return not (
        conjoining
        or kirat_rai
        or unicodedata.category(first) in ("Mn", "Mc", "Me", "Cn")
        or unicodedata.combining(first)
    )
