"""Requests of one step, written by rule: sums, conversions, and what a word means.

People ask a chat assistant for them, the labelled prompts are exam questions and the unlabelled ones hardly have any:
what a student makes of "define photosynthesis" is luck. Requests to explain a word are left out, for students take them
for all explanations.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

_NUMBERS = (
    "what is {a}+{b}?",
    "what is {a} - {b}",
    "calculate {a} * {b}",
    "What is {a} times {b}?",
    "what is {a}% of {b}?",
    "{a} plus {b}",
    "what's {a} divided by {b}?",
    "Add {a} and {b}.",
    "convert {a} miles to kilometers",
    "how many minutes are in {a} hours?",
)
_WORDS = (
    "define {word}",
    "Define {word}.",
    "what is {word}?",
    "what does {word} mean?",
    "what is the meaning of {word}",
    "give me a synonym for {word}",
    "What is the opposite of {word}?",
    "use {word} in a sentence",
    "how do you spell {word}",
    "translate {word} to french",
)
_WORD = re.compile(r"\b[a-z]{5,}\b")
_RANKS = slice(800, 6800)
"""Which words are asked about, by how many prompts have them: known ones, without those of every question."""


def one_step_requests(prompts: Sequence[str], *, count: int, seed: int) -> list[str]:
    """Return `count` requests, every form in turn, about numbers of 1 to 99 and words of the `prompts`.

    Prompts with too few different words leave the forms about words out.
    """
    frequency = Counter(word for prompt in prompts for word in set(_WORD.findall(prompt)))
    words = sorted(frequency, key=lambda word: (-frequency[word], word))[_RANKS]
    forms = [*_NUMBERS, *(_WORDS if words else ())]
    generator = np.random.default_rng(seed)
    requests = []
    for number in range(count):
        a, b = generator.integers(1, 100, size=2)
        word = words[generator.integers(len(words))] if words else ""
        requests.append(forms[number % len(forms)].format(a=a, b=b, word=word))
    return requests
