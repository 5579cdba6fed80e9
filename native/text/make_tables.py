"""The Unicode tables of the C tokenizer, asked character by character of the `tokenizers` library.

`python native/text/make_tables.py` writes `unicode_tables.h`; with `--check` it ends with 1 where the file would
change. Nothing is read from a Unicode database: classes come from the library's own regular expressions,
decompositions, combining classes, compositions and lower case from its normalizers. Only `breaks`, the places where the
runtime may cut a prompt, is the runtime's own `normalization_break`, which depends on the Unicode version of the Python
at hand.
"""

from __future__ import annotations

import argparse
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from enum import IntEnum
from pathlib import Path

from tokenizers import Regex
from tokenizers.normalizers import NFC, NFD, Lowercase, Replace

from vibe_router.text.normalization import normalization_break

TABLES = Path(__file__).resolve().with_name("unicode_tables.h")
_CODES = [*range(0xD800), *range(0xE000, 0x110000)]
_TEXT = "".join(map(chr, _CODES))
_PAGE = 128
_BLOCK = 4096
_HANGUL = range(0xAC00, 0xAC00 + 11172)


class CharacterClass(IntEnum):
    """What the splitting expression tells apart; a value is the one in C."""

    OTHER = 0
    LETTER = 1
    NUMBER = 2
    SPACE = 3


_EXPRESSIONS = {CharacterClass.LETTER: r"\p{L}", CharacterClass.NUMBER: r"\p{N}", CharacterClass.SPACE: r"\s"}


@dataclass(frozen=True, order=True)
class Properties:
    """What the tokenizer knows of one character.

    `starts` says that nothing before the character combines with it, so that text is normalised in two halves there.
    """

    klass: int
    combining: int
    decomposes: bool
    starts: bool
    breaks: bool
    lowers: bool


def character_classes() -> dict[str, CharacterClass]:
    """Return the class of every character, by the library's own regular expressions."""
    classes = dict.fromkeys(_TEXT, CharacterClass.OTHER)
    for klass, expression in _EXPRESSIONS.items():
        for first in range(0, len(_TEXT), _BLOCK):
            block = _TEXT[first : first + _BLOCK]
            rest = {*Replace(Regex(expression), "").normalize_str(block)}
            classes |= {one: klass for one in block if one not in rest}
    return classes


def decompositions() -> dict[str, str]:
    """Return the full canonical decomposition of every character that has one, Hangul syllables left out."""
    full = {one: decomposed for one, decomposed in zip(_TEXT, _decomposed(_TEXT), strict=True) if one != decomposed}
    for code in _HANGUL:
        if full.pop(chr(code)) != _hangul(code):
            raise ValueError(f"the library decomposes U+{code:04X} by another rule than Unicode's")
    return full


def _decomposed(texts: Iterable[str]) -> list[str]:
    """Return each of the texts as the library decomposes it; a line's end between them keeps them apart."""
    ended = "\n".join("" if text == "\n" else text for text in texts)
    return [part or "\n" for part in NFD().normalize_str(ended).split("\n")]


def _hangul(code: int) -> str:
    """Return the conjoining jamo of a syllable (Unicode Standard, section 3.12)."""
    index = code - _HANGUL.start
    last = index % 28
    parts = (0x1100 + index // 588, 0x1161 + index % 588 // 28, *((0x11A7 + last,) if last else ()))
    return "".join(map(chr, parts))


def combining_classes() -> dict[str, int]:
    """Return the canonical combining class of every character that has one other than 0.

    The library tells only which of two marks comes first. Python names one mark of each class, and the library is asked
    which of them a character neither passes nor is passed by.
    """
    first, last = "\u0334", "\u0345"  # of the lowest class and of the highest
    others = _TEXT.replace("\n", "")
    before_last = _decomposed(f"x{last}{one}" for one in others)
    behind_first = _decomposed(f"x{one}{first}" for one in others)
    marks = [
        one
        for one, before, behind in zip(others, before_last, behind_first, strict=True)
        if before == f"x{one}{last}" or behind == f"x{first}{one}" or one in (first, last)
    ]
    known = {unicodedata.combining(mark): mark for mark in reversed(marks) if unicodedata.combining(mark)}
    values = sorted(known)
    classes = {}
    for mark in marks:
        # How many classes come before the mark's own, and how many after it.
        earlier = sum(part != f"x{mark}{other}" for other, part in _next_to(known, f"x{mark}", ""))
        later = sum(part != f"x{other}{mark}" for other, part in _next_to(known, "x", mark))
        if earlier + later != len(values) - 1:
            raise ValueError(f"U+{ord(mark):04X} has a combining class that no mark known to Python has")
        classes[mark] = values[earlier]
    return classes


def _next_to(known: dict[int, str], before: str, behind: str) -> list[tuple[str, str]]:
    marks = [known[value] for value in sorted(known)]
    return [*zip(marks, _decomposed(f"{before}{mark}{behind}" for mark in marks), strict=True)]


def compositions(full: dict[str, str]) -> dict[tuple[str, str], str]:
    """Return what two characters compose to, Hangul left out."""
    normalize = NFC().normalize_str
    pairs = {}
    for composed, decomposed in full.items():
        if len(decomposed) > 1 and normalize(decomposed) == composed:
            first = normalize(decomposed[:-1])
            if len(first) == 1 and normalize(first + decomposed[-1]) == composed:
                pairs[first, decomposed[-1]] = composed
            else:
                # The last mark is not the one that composes last.
                pairs |= _composed_otherwise(composed, decomposed)
    return pairs


def _composed_otherwise(composed: str, decomposed: str) -> dict[tuple[str, str], str]:
    normalize = NFC().normalize_str
    for place in range(1, len(decomposed)):
        first = normalize(decomposed[:place] + decomposed[place + 1 :])
        if len(first) == 1 and normalize(first + decomposed[place]) == composed:
            return {(first, decomposed[place]): composed}
    raise ValueError(f"no pair composes to U+{ord(composed):04X}")


def lower_cases() -> dict[str, str]:
    """Return what every character becomes in lower case that becomes another, U+0130 left out: it becomes two."""
    lower = Lowercase().normalize_str
    changed = {one: lowered for one in _TEXT if (lowered := lower(one)) != one}
    if changed.pop("\u0130") != "i\u0307" or any(len(one) != 1 for one in changed.values()):
        raise ValueError("the library makes several characters of another one than U+0130")
    return changed


def _lower_case_rows(changed: dict[str, str]) -> Iterator[int]:
    """Yield where a difference begins to hold and the difference, for as long as characters that change have it."""
    before = 0
    for one, lower in changed.items():
        difference = ord(lower) - ord(one)
        if difference != before:
            yield from (ord(one), difference)
        before = difference


def tables() -> str:
    """Return the text of the header."""
    classes, full, combining, lower = character_classes(), decompositions(), combining_classes(), lower_cases()
    pairs = compositions(full)
    later = {second for _, second in pairs} | {chr(code) for code in (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))}

    def properties(character: str) -> Properties:
        first = full.get(character, character)[0]
        return Properties(
            klass=classes[character],
            combining=combining.get(character, 0),
            decomposes=character in full,
            starts=first not in combining and first not in later,
            breaks=normalization_break(character),
            lowers=character in lower or character == "\u0130",
        )

    # A lone surrogate is read as U+FFFD, but the place before it is one where Python lets text be cut.
    known = {code: properties(chr(code)) for code in _CODES}
    known |= dict.fromkeys(range(0xD800, 0xE000), known[0xFFFD])
    kinds = sorted({*known.values()})
    numbers = {kind: number for number, kind in enumerate(kinds)}
    pages: dict[tuple[int, ...], int] = {}
    index = []
    for first in range(0, 0x110000, _PAGE):
        page = tuple(numbers[known[code]] for code in range(first, first + _PAGE))
        index.append(pages.setdefault(page, len(pages)))
    rows = [*_lower_case_rows(lower)]
    pool = "".join(full.values())
    ends, end = [], 0
    for decomposed in full.values():
        ends.append(end)
        end += len(decomposed)
    ends.append(end)
    return "\n".join(
        [
            "/* The Unicode tables of the tokenizer, written by make_tables.py. */",
            "#ifndef VIBE_ROUTER_UNICODE_TABLES_H",
            "#define VIBE_ROUTER_UNICODE_TABLES_H",
            "",
            '#include "unicode.h"',
            "",
            f'#define VR_PYTHON_UNICODE "{unicodedata.unidata_version}" /* of `breaks` */',
            f"#define VR_PAGE {_PAGE}",
            "",
            _array("uint8_t" if len(pages) <= 256 else "uint16_t", "vr_page_numbers", index),
            _array("uint8_t", "vr_pages", (number for page in pages for number in page)),
            "static const VrProperties vr_properties[] = {",
            *(f"    {{{', '.join(str(int(value)) for value in astuple(one))}}}," for one in kinds),
            "};",
            "",
            "/* Characters that decompose, in order, and where their decompositions begin. */",
            f"#define VR_DECOMPOSED {len(full)}",
            _array("uint32_t", "vr_decomposed", map(ord, full)),
            _array("uint16_t", "vr_decomposition_starts", ends),
            _array("uint32_t", "vr_decompositions", map(ord, pool)),
            "/* First, second and what they compose to, in order. */",
            f"#define VR_PAIRS {len(pairs)}",
            _array("uint32_t", "vr_pairs", (ord(part) for pair in sorted(pairs) for part in (*pair, pairs[pair]))),
            "/* From which character on, and how far away, lies the lower case of those that have one, in order. */",
            f"#define VR_LOWER_ROWS {len(rows) // 2}",
            _array("int32_t", "vr_lower_rows", rows),
            "#endif",
            "",
        ]
    )


def _array(kind: str, name: str, values: Iterable[int]) -> str:
    lines, line = [], "   "
    for value in values:
        if len(line) + len(f" {value},") > 120:
            lines.append(line)
            line = "   "
        line += f" {value},"
    return "\n".join([f"static const {kind} {name}[] = {{", *lines, line, "};", ""])


def main() -> int:
    """Write the header, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 where the file would change")
    wanted = tables()
    if parser.parse_args().check:
        return int(TABLES.read_text(encoding="ascii") != wanted)
    TABLES.write_text(wanted, encoding="ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main())
