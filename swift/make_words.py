"""Write the words by which a chat's turns lean on each other into Swift: `python swift/make_words.py [--check]`.

The lists are Python's, in vibe_router.conversation.words; so is the folding of case where it is not lower case.
`--check` writes nothing, and ends with 1 where the file is another.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from vibe_router.conversation import leaning, words

WORDS = Path(__file__).resolve().parent / "Sources" / "VibeRouter" / "Chat" / "Words.swift"
_WIDTH = 110
_HEAD = """\
// Written by `python swift/make_words.py` from Python's lists. Do not edit.

/// Words with which a turn of a chat leans on the one before it.
enum Words {
"""


def source() -> str:
    """Return the file's text."""
    folding = (f"{code:x}={chr(code).casefold()}" for code in range(sys.maxunicode) if _differs(chr(code)))
    parts = [
        _set("openers", words.OPENERS),
        _set("anaphora", words.ANAPHORA),
        _set("askingAgain", words.ASKING_AGAIN),
        _phrases("phrases", sorted(words.PHRASES, key=lambda one: (-len(one), one)), "longest first"),
        _phrases("newTopic", words.NEW_TOPIC, "announcements"),
        _phrases("leaningStarts", leaning.LEANING_STARTS, "what opens a leaning turn in more words than one"),
        "    /// Scalars whose folded case is not their lower case.\n"
        "    static let folding: [Unicode.Scalar: [Unicode.Scalar]] = Dictionary(\n"
        f'        uniqueKeysWithValues: {_text(folding)}.split(separator: "\\n").map {{ entry in\n'
        '            let parts = entry.split(separator: "=")\n'
        "            return (Unicode.Scalar(UInt32(parts[0], radix: 16)!)!, Array(parts[1].unicodeScalars))\n"
        "        })\n",
    ]
    return _HEAD + "\n".join(parts) + "}\n"


def _differs(character: str) -> bool:
    return character.casefold() != character.lower()


def _text(items: Iterable[str]) -> str:
    """Return a Swift literal of one item a line."""
    return '"""\n' + "".join(f"        {item}\n" for item in items) + '        """'


def _set(name: str, items: Iterable[str]) -> str:
    lines: list[str] = []
    for item in sorted(items):
        if lines and len(lines[-1]) + len(item) < _WIDTH:
            lines[-1] += f" {item}"
        else:
            lines.append(item)
    return (
        f"    static let {name} = Set(\n        {_text(lines)}\n"
        '        .split(whereSeparator: { $0 == " " || $0 == "\\n" }).map(String.init))\n'
    )


def _phrases(name: str, items: Iterable[str], comment: str) -> str:
    return (
        f'    /// {comment.capitalize()}.\n    static let {name} = {_text(items)}.split(separator: "\\n").map '
        "{ Array($0.unicodeScalars) }\n"
    )


def main() -> int:
    """Write the file, or compare it."""
    text = source()
    if "--check" in sys.argv[1:]:
        return int(not WORDS.exists() or WORDS.read_text("utf-8") != text)
    WORDS.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
