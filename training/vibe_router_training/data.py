"""Training examples: prompts with a soft label, divided by a hash of the prompt."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np

from vibe_router.errors import DataError
from vibe_router_tools.evaluation.dataset import LabelledPrompts, read_labelled, read_rows
from vibe_router_tools.evaluation.labels import TAU

BUCKETS = 10


class Split(str, Enum):
    """The part of the data a prompt belongs to."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, kw_only=True)
class Example:
    """One prompt to learn from: `p_teacher` in 0..1, `weight` >= 0 the factor of its loss."""

    prompt: str
    p_teacher: float
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class RawPrompt:
    """One prompt without a label."""

    prompt: str
    source: str


def bucket(prompt: str) -> int:
    """Return the bucket of a prompt, 0..9: its SHA-256 (UTF-8, white space around it ignored) modulo 10.

    The same prompt falls into the same bucket in every file and run, so copies never straddle a split.
    """
    digest = hashlib.sha256(prompt.strip().encode("utf-8", errors="surrogatepass")).hexdigest()
    return int(digest[:8], 16) % BUCKETS


def split_of(prompt: str) -> Split:
    """Return the part a prompt belongs to: bucket 0 is the test split, 1 validation, the other eight train."""
    number = bucket(prompt)
    return {0: Split.TEST, 1: Split.VALIDATION}.get(number, Split.TRAIN)


def read_examples(path: Path, *, tau: float = TAU) -> LabelledPrompts:
    """Return the labelled rows of a JSONL file; labels as `vibe_router_tools.evaluation.dataset` describes them.

    Raises:
        DataError: the file cannot be read; a row is not JSON, has no prompt, a label outside 0..1 or none; or
            one class only. The message names the file and the line.
    """
    return read_labelled(path, tau=tau)


def read_prompts(path: Path) -> list[RawPrompt]:
    """Return the prompts of a JSONL file with their sources ("" where a row names none); labels are ignored.

    Raises:
        DataError: the file cannot be read or a row is bad; the message names the file and the line.
    """
    return [RawPrompt(prompt=row.prompt, source=row.source or "") for row in read_rows(path)]


def select(data: LabelledPrompts, parts: Iterable[Split]) -> LabelledPrompts:
    """Return the rows of `data` that belong to one of `parts`, in their order."""
    wanted = frozenset(parts)
    kept = [index for index, prompt in enumerate(data.prompts) if split_of(prompt) in wanted]
    return take(data, kept)


def take(data: LabelledPrompts, rows: Sequence[int]) -> LabelledPrompts:
    """Return the rows of `data` at the indices `rows`, in their order."""
    index = np.asarray(rows, dtype=np.intp)
    return LabelledPrompts(
        prompts=tuple(data.prompts[row] for row in index),
        sources=tuple(data.sources[row] for row in index),
        groups=tuple(data.groups[row] for row in index),
        preference=data.preference[index],
        device_quality=data.device_quality[index],
        cloud_quality=data.cloud_quality[index],
    )


def train_and_validation(data: LabelledPrompts, name: str) -> tuple[LabelledPrompts, LabelledPrompts]:
    """Return the training and the validation rows of `data`; `name` is for errors.

    Raises:
        DataError: one of the two has no rows, or rows that all prefer one side.
    """
    parts = select(data, [Split.TRAIN]), select(data, [Split.VALIDATION])
    for part, rows in zip(("training", "validation"), parts, strict=True):
        if not (np.any(rows.preference > 0.5) and np.any(rows.preference < 0.5)):
            raise DataError(
                f"{name}: the {part} split, {len(rows.prompts)} of {len(data.prompts)} rows, "
                "does not hold both classes",
                hint="give more rows; a few hundred are the least that a split by prompt hash can divide",
            )
    return parts


def examples_of(data: LabelledPrompts) -> list[Example]:
    """Return the rows of `data` as examples of weight 1."""
    return [Example(prompt=prompt, p_teacher=float(p)) for prompt, p in zip(data.prompts, data.preference, strict=True)]
