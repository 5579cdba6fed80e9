"""The same thirty requests in nineteen languages, written for this recipe: phrases.txt, one block for each language."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_FILE = Path(__file__).parent / "phrases.txt"


@dataclass(frozen=True)
class Phrase:
    """A request and the English one that it translates: who answers better does not depend on the language."""

    text: str
    english: str


def read_phrases(path: Path = _FILE) -> list[Phrase]:
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
