"""Requests about a pasted text: summaries and replies that a small model writes well, and reviews that it does not.

Ratings say that a short text is summarised on the device, but few of the rated prompts paste one, and a long text in
another language looked like a hard request. `pasted.txt` has instructions in nineteen languages, rated by the rubric of
the rated rows, and sentences of letters, notices and news to paste. Nothing in it is a prompt of a test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nano.phrases import RatedRequest, read_rated

_PASTED = Path(__file__).parent / "pasted.txt"
_ENGLISH_SHARE, _REAL_SHARE = 0.4, 0.7
"""How many of the requests are English, and how many of these paste an answer from a dialogue."""
_BEFORE_SHARE = 0.8
"""How often the instruction stands before the text."""
_LONGER = 0.3
_PAGE = 3000
"""An easy request about a page of so many characters is rated so much higher than one about a sentence (RUBRIC.md)."""
_EASY = 0.5
_UNSPACED = frozenset(("Chinese", "Japanese"))


@dataclass(frozen=True, kw_only=True)
class _Block:
    """What pasted.txt has of one language."""

    language: str
    instructions: list[RatedRequest]
    sentences: list[str]


def pasted_requests(passages: Sequence[str], *, count: int, seed: int, path: Path = _PASTED) -> list[RatedRequest]:
    """Return `count` rated requests; `passages` are English texts to paste next to the sentences of `path`.

    Raises:
        ValueError: a line of `path` is neither a language, a rated instruction nor a sentence.
    """
    blocks, generator = _read(path), np.random.default_rng(seed)
    english, others = blocks[0], blocks[1:]
    requests = []
    for _ in range(count):
        block = english
        if others and generator.random() >= _ENGLISH_SHARE:
            block = others[int(generator.integers(len(others)))]
        if block is english and passages and generator.random() < _REAL_SHARE:
            text = passages[int(generator.integers(len(passages)))]
        else:
            text = _letter(block, generator)
        requests.append(_asked(block.instructions[int(generator.integers(len(block.instructions)))], text, generator))
    return requests


def _letter(block: _Block, generator: np.random.Generator) -> str:
    """Return two sentences of the block up to all of them, as one paragraph or as lines."""
    size = int(generator.integers(2, len(block.sentences) + 1))
    chosen = generator.choice(len(block.sentences), size=size, replace=False)
    space = "" if block.language in _UNSPACED else " "
    return ("\n" if generator.random() < 0.2 else space).join(block.sentences[int(at)] for at in chosen)


def _asked(instruction: RatedRequest, text: str, generator: np.random.Generator) -> RatedRequest:
    asked, cloud = instruction.text, instruction.cloud
    if cloud < _EASY:
        cloud += _LONGER * min(1.0, len(text) / _PAGE)
    if generator.random() < _BEFORE_SHARE:
        between = ("\n\n", "\n\n", ":\n\n", ": ", ":\n", "\n")[int(generator.integers(6))]
        return RatedRequest(text=f"{asked}{between}{text}", cloud=cloud)
    return RatedRequest(text=f"{text}\n\n{asked}", cloud=cloud)


def _read(path: Path) -> list[_Block]:
    blocks: list[_Block] = []
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("["):
            blocks.append(_Block(language=line.strip("[]"), instructions=[], sentences=[]))
        elif line.startswith("- "):
            blocks[-1].sentences.append(line.removeprefix("- "))
        elif line.strip():
            blocks[-1].instructions.append(read_rated(line, path))
    return blocks
