"""New prompts made from labelled ones, for the teacher to judge: the student is to match a function, not 15,000 points.

The teacher can judge any text, and only what it says about many texts pins its function down. Variants stay close to
what the labelled prompts look like: answer options are exchanged, reordered and left out, sentences dropped, reordered
and recombined, prompts cut. Both parents of a variant come from one source.
"""

from __future__ import annotations

import re
import string
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

_PIECE_END = re.compile(r"(?<=[.!?])\s+(?=\S)|(?<=\n)")
_OPTION = re.compile(r"\n([A-J])([.)]) ")
_FEWEST_OPTIONS = 3
_ANSWER = "\nAnswer"


@dataclass(frozen=True, kw_only=True)
class _Choice:
    """A multiple-choice question: `mark` follows an option's letter, `tail` the last option."""

    stem: str
    options: tuple[str, ...]
    mark: str
    tail: str

    def text(self) -> str:
        letters = string.ascii_uppercase
        return (
            self.stem
            + "".join(f"\n{a}{self.mark} {b}" for a, b in zip(letters, self.options, strict=False))
            + self.tail
        )


def make_variants(prompts: Sequence[str], sources: Sequence[str | None], *, rounds: int, seed: int) -> list[str]:
    """Return `rounds` variants of each prompt, each with a partner of the same source at random.

    The same arguments give the same variants. A prompt too short to be changed comes back as it is.
    """
    groups, generator = group_by_source(sources), np.random.default_rng(seed)
    return [
        vary(prompts[row], prompts[partner], generator)
        for _ in range(rounds)
        for rows in groups
        for row, partner in zip(rows, generator.permutation(rows), strict=True)
    ]


def group_by_source(sources: Sequence[str | None]) -> list[list[int]]:
    """Return the rows of each source, sources in the order in which they appear."""
    groups: dict[str | None, list[int]] = defaultdict(list)
    for row, source in enumerate(sources):
        groups[source].append(row)
    return list(groups.values())


def vary(prompt: str, partner: str, generator: np.random.Generator) -> str:
    """Return a variant of `prompt`, some of them with parts of `partner`."""
    own, other = _choice(prompt), _choice(partner)
    if own is not None and generator.random() < 0.8:
        return _vary_choice(own, other, generator).text()
    return _vary_text(prompt, partner, generator)


def pieces(prompt: str) -> list[str]:
    """Return the sentences and lines of a prompt with the white space after them; joined they are the prompt."""
    ends = [match.end() for match in _PIECE_END.finditer(prompt)]
    return [prompt[start:end] for start, end in zip([0, *ends], [*ends, len(prompt)], strict=True) if end > start]


def _choice(prompt: str) -> _Choice | None:
    """Return the parts of a multiple-choice question, None for any other prompt."""
    found = list(_OPTION.finditer(prompt))
    if len(found) < _FEWEST_OPTIONS:
        return None
    ends = [*(match.start() for match in found[1:]), len(prompt)]
    options = [prompt[match.end() : end] for match, end in zip(found, ends, strict=True)]
    last, answer, rest = options[-1].rpartition(_ANSWER)
    tail = answer + rest if answer else ""
    options[-1] = last if answer else rest
    return _Choice(stem=prompt[: found[0].start()], options=tuple(options), mark=found[0][2], tail=tail)


def _vary_choice(own: _Choice, other: _Choice | None, generator: np.random.Generator) -> _Choice:
    """Reorder, drop or exchange the options, or change the question above them."""
    kind = generator.random()
    if kind < 0.2:
        return replace(own, options=_shuffled(own.options, generator))
    if kind < 0.4:
        kept = max(2, len(own.options) - int(generator.integers(1, 3)))
        return replace(own, options=_shuffled(own.options, generator)[:kept])
    if kind < 0.75 and other is not None:
        stem, options = (own.stem, other.options) if generator.random() < 0.5 else (other.stem, own.options)
        if generator.random() < 0.5:
            options = _shuffled((*own.options, *other.options), generator)[: len(own.options)]
        return replace(own, stem=stem, options=options)
    parts = pieces(own.stem)
    if len(parts) > 1 and generator.random() < 0.5:
        return replace(own, stem=_without_one(parts, generator))
    return replace(own, stem=_spliced_words(own.stem, (other or own).stem, generator))


def _vary_text(prompt: str, partner: str, generator: np.random.Generator) -> str:
    """Drop, reorder or recombine sentences and lines, else words."""
    own, other = pieces(prompt), pieces(partner)
    kind = generator.random()
    if kind < 0.25 and len(own) > 2:
        return _without_one(own, generator)
    if kind < 0.4 and len(own) > 2:
        return "".join(map(_spaced, _shuffled(own[:-1], generator))) + own[-1]
    if kind < 0.75 and len(own) > 1 and len(other) > 1:
        head = own[: generator.integers(1, len(own))]
        return _spaced("".join(head)) + "".join(other[generator.integers(1, len(other)) :])
    if kind < 0.9:
        return _spliced_words(prompt, partner, generator)
    words = prompt.split(" ")
    kept = int(generator.integers(max(1, len(words) // 2), len(words) + 1))
    return " ".join(words[:kept] if generator.random() < 0.5 else words[-kept:])


def _without_one(parts: Sequence[str], generator: np.random.Generator) -> str:
    left_out = int(generator.integers(len(parts)))
    return "".join(part for index, part in enumerate(parts) if index != left_out)


def _spliced_words(first: str, second: str, generator: np.random.Generator) -> str:
    """Return a beginning of `first` and an end of `second`, at least a word of each."""
    head, tail = first.split(" "), second.split(" ")
    return " ".join([*head[: generator.integers(1, len(head) + 1)], *tail[generator.integers(0, len(tail)) :]])


def _shuffled(parts: Sequence[str], generator: np.random.Generator) -> tuple[str, ...]:
    return tuple(parts[index] for index in generator.permutation(len(parts)))


def _spaced(part: str) -> str:
    return part if part[-1:].isspace() else f"{part} "
