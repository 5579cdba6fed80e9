"""The rows of all files, read once and divided: nothing of the test split is taught, in any form."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from nano.chat_teacher import Verdicts
from vibe_router.errors import DataError
from vibe_router_tools.evaluation.dataset import LabelledPrompts
from vibe_router_training.data import RawPrompt, Split, read_examples, read_prompts, select, split_of

RATED, CHAT = "routing_rated.jsonl", "routing_chat_train.jsonl"
VERIFIABLE, EXAM = "routing_verifiable_train.jsonl", "routing_labelled.jsonl"
UNLABELLED, DIALOGUES = "prompts.jsonl", "mtbench101.jsonl"
_Row = TypeVar("_Row")
_PASSAGE = 120
"""A passage has more characters than this: less is not worth pasting."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """Labelled rows of four kinds, prompts without a label, and passages: what assistants answered in dialogues."""

    rated: LabelledPrompts
    chat: LabelledPrompts
    verifiable: LabelledPrompts
    exam: LabelledPrompts
    unlabelled: tuple[RawPrompt, ...]
    passages: tuple[str, ...] = ()

    def part(self, split: Split) -> Material:
        """Return the rows of one split, by the hash of the prompt."""
        return Material(
            rated=select(self.rated, [split]),
            chat=select(self.chat, [split]),
            verifiable=select(self.verifiable, [split]),
            exam=select(self.exam, [split]),
            unlabelled=tuple(row for row in self.unlabelled if split_of(row.prompt) is split),
            passages=tuple(text for text in self.passages if split_of(text) is split),
        )


def read_material(folder: Path) -> Material:
    """Read every file of `folder`.

    Raises:
        DataError: a file cannot be read, or has a bad row.
    """
    return Material(
        rated=read_examples(folder / RATED),
        chat=read_examples(folder / CHAT),
        verifiable=read_examples(folder / VERIFIABLE),
        exam=read_examples(folder / EXAM),
        unlabelled=(*read_prompts(folder / UNLABELLED), *prompts_of(read_turns(folder / DIALOGUES, "user"))),
        passages=tuple(text for text in read_turns(folder / DIALOGUES, "bot") if len(text) > _PASSAGE),
    )


def read_turns(path: Path, side: Literal["user", "bot"]) -> list[str]:
    """Return what one side wrote in the dialogues of a file, each turn by itself.

    Raises:
        DataError: the file cannot be read, or a row has no history.
    """
    try:
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
        turns = [turn[side] for row in rows for turn in row["history"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"cannot read dialogues from {path}: {error}", hint="name a file of MT-Bench-101") from error
    return [turn for turn in turns if turn.strip()]


def prompts_of(turns: Sequence[str]) -> list[RawPrompt]:
    """Return users' turns as prompts without a label."""
    return [RawPrompt(prompt=turn, source="mtbench101") for turn in turns]


def verdicts(rows: LabelledPrompts, *, mass: float) -> Verdicts:
    """Return measured rows for the chat teacher, each with the weight of `mass` ratings."""
    return Verdicts(
        prompts=rows.prompts,
        sources=tuple(source or "" for source in rows.sources),
        difference=rows.cloud_quality - rows.device_quality,
        mass=mass,
    )


def without(prompts: Sequence[str], excluded: frozenset[str]) -> list[str]:
    """Return the prompts that `plain` does not find in `excluded`."""
    return [prompt for prompt in prompts if plain(prompt) not in excluded]


def plain(prompt: str) -> str:
    """Return the prompt in lower case, without final marks and doubled space, to compare prompts by."""
    return " ".join(prompt.casefold().split()).strip("?!. ")


def sample(rows: Sequence[_Row], count: int, *, seed: int) -> list[_Row]:
    """Return `count` rows at random, all of them where there are fewer."""
    order = np.random.default_rng(seed).permutation(len(rows))[:count]
    return [rows[index] for index in sorted(order)]


def centred_verdicts(rows: LabelledPrompts) -> LabelledPrompts:
    """Return measured rows whose preference is above one half where the difference is above its source's mean.

    Sources differ in models and judges, so only the order of the prompts of one source says anything.
    """
    difference = rows.cloud_quality - rows.device_quality
    sources = np.array([source or "" for source in rows.sources])
    mean = np.array([difference[sources == source].mean() for source in sources])
    return replace(rows, preference=0.5 + 0.5 * np.sign(difference - mean))
