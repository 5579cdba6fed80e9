"""Weak labels for prompts that nobody judged: what their source, or the form of the request, says about them.

The labelled prompts are benchmark questions; a router also meets greetings, small talk, one-step requests and
open design tasks. Assistants' intents and chat openers come from data sets made for small models, the prompts
of hard evaluation suites were picked because models differ on them; sums and the meanings of words any small
model knows. That is a label with low confidence, so it is soft and its weight below that of a label.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from vibe_router_export.proof.golden import EXAMPLES
from vibe_router_training.data import Example, RawPrompt
from vibe_router_training.nano.one_step import one_step_requests

DEVICE_SOURCES = (
    "clinc150",
    "snips",
    "banking77",
    "BYU chitchat openers",
    "topical-chat openers",
    "chatterbot english",
    "MS PersonalityChat scenarios",
)
CLOUD_SOURCES = ("arena-hard v0.1", "arena-hard v2.0", "mt_bench", "vicuna_bench")

DEVICE_LABEL, CLOUD_LABEL, CLOUD_OPENING_LABEL = 0.3, 0.85, 0.8
DEVICE_WEIGHT, CLOUD_WEIGHT = 0.4, 0.8
DEVICE_ROWS, ONE_STEP_REQUESTS = 8000, 1200

DEMO_PROMPTS = EXAMPLES
"""The model card's example prompts. They are a test: no training set may contain them."""

_SENTENCE_END = re.compile(r"(?<=[.!?\n])\s+")


def weak_examples(
    prompts: Sequence[RawPrompt],
    labelled: Sequence[str],
    *,
    seed: int,
    device_weight: float = DEVICE_WEIGHT,
    one_step: int = 0,
) -> list[Example]:
    """Return weakly labelled examples from unlabelled prompts, and one-step requests about words of the labelled ones.

    Device: a sample of `DEVICE_ROWS` rows, and `one_step` requests. Cloud: every row twice, for there are few, and the
    first sentence of each where it is of a chat request's length, for the prompts are long and requests are short.
    """
    usable = [row for row in prompts if not is_demo_prompt(row.prompt)]
    device = [row.prompt for row in usable if row.source in DEVICE_SOURCES]
    cloud = [row.prompt for row in usable if row.source in CLOUD_SOURCES]
    openings = [_SENTENCE_END.split(prompt)[0] for prompt in cloud]
    openings = [text for text in openings if 20 < len(text) < 160 and not is_demo_prompt(text)]
    generator = np.random.default_rng(seed)
    sample = generator.permutation(len(device))[:DEVICE_ROWS]
    requests = one_step_requests(labelled, count=one_step, seed=seed)
    towards_device = [*(device[row] for row in sample), *(text for text in requests if not is_demo_prompt(text))]
    return [
        *(Example(prompt=text, p_teacher=DEVICE_LABEL, weight=device_weight) for text in towards_device),
        *(Example(prompt=text, p_teacher=CLOUD_LABEL, weight=CLOUD_WEIGHT) for text in cloud * 2),
        *(Example(prompt=text, p_teacher=CLOUD_OPENING_LABEL, weight=CLOUD_WEIGHT) for text in openings),
    ]


def is_demo_prompt(prompt: str) -> bool:
    """Return whether a prompt is one of `DEMO_PROMPTS`, whatever its case, spaces and final punctuation."""
    return _plain(prompt) in _PLAIN_DEMO_PROMPTS


def _plain(prompt: str) -> str:
    return " ".join(prompt.casefold().split()).strip("?!. ")


_PLAIN_DEMO_PROMPTS = frozenset(_plain(prompt) for prompt in DEMO_PROMPTS)
