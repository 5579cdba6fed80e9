"""How much of a turn's meaning is in the turn itself."""

from __future__ import annotations

import re
from enum import Enum

from vibe_router.conversation.words import ANAPHORA, ASKING_AGAIN, NEW_TOPIC, OPENERS, PHRASES

# Regular expressions do not count combining vowels as letters, so a word is what is between two marks.
_WORD = re.compile(r"[^\s!-&(-/:-@\[-`{-~¡«»¿‘“”„…،؛؟।、。「」！，．：；？]+")
# Letters of scripts that put no spaces between words: kana, Han, and Hangul, whose endings are glued to words.
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_NEW_TOPIC = re.compile("|".join(map(re.escape, NEW_TOPIC)))
# How far into a turn its announcement of a new topic may stand.
_ANNOUNCEMENT = 48


class Kind(str, Enum):
    """How a turn relates to the turns before it."""

    OWN = "own"
    """It can be answered by itself."""
    LEANING = "leaning"
    """It has a wish of its own about something said before ("now add tests to it")."""
    BARE = "bare"
    """It says nothing without what was said before ("why?", "shorter", "and in French?", "thanks")."""
    NEW_TOPIC = "new topic"
    """It says that it leaves the topic."""


def kind_of(text: str, *, bare_words: int, leaning_words: int) -> Kind:
    """Return how `text`, a turn that is not a conversation's first, relates to what came before.

    At most `bare_words` words can be bare, at most `leaning_words` leaning. In scripts without spaces two
    characters count as a word.
    """
    # Only so much is read as the decision needs.
    start = text[: 16 * (leaning_words + 1)].strip().casefold()
    if _NEW_TOPIC.search(start, 0, _ANNOUNCEMENT):
        return Kind.NEW_TOPIC
    found = (word.strip("'") for word in _WORD.findall(start.replace("’", "'")))
    words = [word for word in found if any(map(str.isalnum, word))]
    unspaced = _UNSPACED.findall(start)
    count = len(words) + len(unspaced) // 2
    if len(text.strip()) > len(start) or count > leaning_words:
        return Kind.OWN
    if count <= bare_words and _says_nothing(words):
        return Kind.BARE
    if words and (words[0] in OPENERS or any(word in ANAPHORA for word in words) or start.startswith(LEANING_STARTS)):
        return Kind.LEANING
    return Kind.OWN


# What opens a leaning turn in more words than one, or in scripts without spaces.
LEANING_STARTS = (
    "what about",
    "how about",
    "what if",
    "那",
    "这",
    "這",
    "它",
    "再",
    "それ",
    "これ",
    "その",
    "この",
    "では",
    "じゃあ",
    "그",
    "이것",
    "이거",
    "그럼",
)


def _says_nothing(words: list[str]) -> bool:
    # One number points at something ("option 2"); two are a calculation.
    numbers = [word for word in words if word.isdigit()]
    if len(numbers) > 1:
        return False
    for word in words:
        if word in ASKING_AGAIN or word in numbers:
            continue
        if not _UNSPACED.search(word) or _without_phrases(word):
            return False
    return True


def _without_phrases(word: str) -> str:
    for phrase in PHRASES:
        word = word.replace(phrase, "")
    return word
