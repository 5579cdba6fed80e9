"""What the nano's teacher sees of a prompt: cased words, their places, and the shape of the text.

A bag of lower-case words misses what tells tasks apart: how a prompt begins and ends, whether it is cased
and punctuated, how long it is, what marks it carries.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from vibe_router_tools.evaluation.logistic import FloatArray

_TOKEN = re.compile(r"[A-Za-z']+|0+|[^\sA-Za-z0]")
_DIGIT = re.compile(r"\d")
_WORDS = 400
_TOPICS = 64


def shape_terms(prompt: str) -> list[str]:
    """Return the terms of a prompt: words and pairs of words, its first and last ones, and its outline.

    Digits count as 0, so that numbers of one length are one word. Terms with a space-separated tag in capitals
    cannot collide with words, which are in lower case.
    """
    text = _DIGIT.sub("0", prompt)
    words = _TOKEN.findall(text)[:_WORDS]
    terms = [word.lower() for word in words]
    terms += [f"{first.lower()} {second.lower()}" for first, second in pairwise(words)]
    if words:
        terms += [f"FIRST {words[0]}", f"FIRST {' '.join(words[:2])}"]
        terms += [f"LAST {words[-1]}", f"LAST {' '.join(words[-2:])}"]
    outline = re.sub(r"[a-z]+", "a", re.sub(r"[A-Z]", "A", text))
    return [
        *terms,
        f"LENGTH {int(2 * math.log(len(prompt) + 1))}",
        f"CAPITAL {prompt[:1].isupper()}",
        f"LINES {min(5, prompt.count(chr(10)))}",
        f"DIGITS {min(6, len(_DIGIT.findall(prompt)))}",
        f"HEAD {outline[:6]}",
        f"TAIL {outline[-5:]}",
    ]


def shape_numbers(prompt: str) -> list[float]:
    """Return lengths, counts of marks and shares of character classes of a prompt, always the same many."""
    words = prompt.split()
    size = len(prompt) + 1
    digits = len(_DIGIT.findall(prompt))
    capitals = sum(map(str.isupper, prompt))
    return [
        math.log(size),
        math.log(len(words) + 1),
        digits,
        digits / size,
        capitals / size,
        sum(map(len, words)) / max(1, len(words)),
        prompt.count(" the ") / size,
        float(prompt[:1].isupper()),
        float(prompt[:1].islower()),
        float(prompt.rstrip().endswith("?")),
        float(prompt.rstrip().endswith(".")),
        *(prompt.count(mark) for mark in '\n$_?,\\"(=:'),
    ]


class PromptFeatures:
    """TF-IDF over `shape_terms`, and `shape_numbers` beside the leading singular directions of it."""

    def __init__(self, prompts: Sequence[str], *, seed: int) -> None:
        self._terms = TfidfVectorizer(analyzer=shape_terms, min_df=3, sublinear_tf=True)
        sparse = self._terms.fit_transform(prompts)
        self._topics = TruncatedSVD(min(_TOPICS, sparse.shape[1] - 1), random_state=seed).fit(sparse)

    def sparse(self, prompts: Sequence[str]) -> Any:
        """Return TF-IDF as a sparse matrix, float64 [n, terms]."""
        return scipy.sparse.csr_matrix(self._terms.transform(prompts))

    def dense(self, prompts: Sequence[str], sparse: Any) -> FloatArray:
        """Return numbers and topics, float64 [n, k]; `sparse` is what `sparse` gave for the same prompts."""
        numbers = np.array([shape_numbers(prompt) for prompt in prompts], dtype=np.float64)
        return np.hstack([numbers, self._topics.transform(sparse)])
