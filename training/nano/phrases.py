"""Requests written for this recipe: the same ones in nineteen languages (phrases.txt), and more in English, rated.

Ratings are estimates by a language model with the rubric of the rated rows, made before any student was trained on
them. None of the requests is in a test.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_PHRASES = Path(__file__).parent / "phrases.txt"
_REQUESTS = Path(__file__).parent / "requests.txt"


@dataclass(frozen=True)
class Phrase:
    """A request and the English one that it translates: who answers better does not depend on the language."""

    text: str
    english: str


@dataclass(frozen=True)
class RatedRequest:
    """An English request and its rating, 0..1."""

    text: str
    cloud: float


def read_phrases(path: Path = _PHRASES) -> list[Phrase]:
    """Return all phrases; the file's blocks begin with `[language]`, and the first is English.

    Raises:
        ValueError: a block has another number of lines than the first.
    """
    blocks: list[list[str]] = []
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("["):
            blocks.append([])
        elif line.strip():
            blocks[-1].append(line)
    english = blocks[0]
    return [Phrase(text, source) for block in blocks for text, source in zip(block, english, strict=True)]


def read_requests(path: Path = _REQUESTS) -> list[RatedRequest]:
    """Return the rated requests: a line is the rating in percent, a space and the request.

    Raises:
        ValueError: a line has no rating within 0..100.
    """
    return [read_rated(line, path) for line in path.read_text("utf-8").splitlines()]


def read_rated(line: str, path: Path) -> RatedRequest:
    """Return the request of one line of `path`.

    Raises:
        ValueError: the line has no rating within 0..100.
    """
    percent, _, text = line.partition(" ")
    if not percent.isdecimal() or int(percent) > 100 or not text:
        raise ValueError(f"{path}: no rating and request in {line!r}")
    return RatedRequest(text=text, cloud=int(percent) / 100)
