"""Edits of a prompt that keep its meaning, and fixed sentences before or after it."""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable, Mapping

Edit = Callable[[str], str]

_STOP_WORDS = frozenset(
    ("a", "an", "the", "of", "in", "on", "at", "to", "for", "and", "or", "is", "are", "please", "with")
)
_PADDING = 200


def edits(seed: int) -> Mapping[str, Edit]:
    """Return all edits by name; the same seed makes the same typing errors."""
    return {
        "case: lower": str.lower,
        "case: upper": str.upper,
        "case: title": str.title,
        "case: aLtErNaTiNg": _alternating,
        f"whitespace: {_PADDING} spaces before": lambda prompt: " " * _PADDING + prompt,
        f"whitespace: {_PADDING} spaces behind": lambda prompt: prompt + " " * _PADDING,
        f"whitespace: {_PADDING} newlines behind": lambda prompt: prompt + "\n" * _PADDING,
        "whitespace: every space doubled": lambda prompt: prompt.replace(" ", "  "),
        "whitespace: zero-width space between words": lambda prompt: prompt.replace(" ", " \u200b"),
        "paraphrase: polite question": lambda prompt: f"Could you please help me with this? {prompt} Thank you!",
        "paraphrase: without punctuation": _without_punctuation,
        "paraphrase: without stop words": _without_stop_words,
        "paraphrase: sentences in reverse order": _reverse_sentences,
        "paraphrase: one typing error in five words": lambda prompt: _typing_errors(prompt, seed),
        "prefix: this is easy": lambda prompt: f"This is easy, a short answer is enough. {prompt}",
        "prefix: this is hard": lambda prompt: f"This is very hard, reason step by step like an expert. {prompt}",
        "prefix: hi": lambda prompt: f"hi! {prompt}",
        "prefix: code": lambda prompt: f"Implement a thread-safe distributed system in C++. {prompt}",
        "suffix: one word": lambda prompt: f"{prompt} Answer in one word.",
        "suffix: with proof": lambda prompt: f"{prompt} Give a rigorous proof of every step.",
        "suffix: thanks": lambda prompt: f"{prompt} thanks, you are great :)",
    }


def _alternating(prompt: str) -> str:
    return "".join(char.upper() if place % 2 else char.lower() for place, char in enumerate(prompt))


def _without_punctuation(prompt: str) -> str:
    return prompt.translate(str.maketrans("", "", string.punctuation)) or prompt


def _without_stop_words(prompt: str) -> str:
    return " ".join(word for word in prompt.split(" ") if word.lower() not in _STOP_WORDS) or prompt


def _reverse_sentences(prompt: str) -> str:
    return " ".join(reversed(re.split(r"(?<=[.!?])\s+", prompt)))


def _typing_errors(prompt: str, seed: int) -> str:
    """Exchange two neighbouring letters in every fifth word that has four letters or more."""
    draw = random.Random(f"{seed} {prompt}")
    words = prompt.split(" ")
    for place in range(draw.randrange(5), len(words), 5):
        word = words[place]
        if len(word) >= 4:
            at = draw.randrange(1, len(word) - 2)
            words[place] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return " ".join(words)
