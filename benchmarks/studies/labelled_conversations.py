"""Conversations with labels, from prompts that have them.

Concatenations: prompts one after the other, each with follow-ups that lean on it and have its label. Pairs: rows whose
`detail.root` names the prompt that the conversation began with.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vibe_router_tools.evaluation.labels import TAU, label_from_scores

# Written apart from the runtime's lists of words, as people write: half of them are in these lists only in part.
_FOLLOW_UPS = (
    "why?",
    "can you make that shorter",
    "and in french?",
    "hm, I don't get the last bit",
    "thanks",
    "could you give me an example of that",
    "that's not what I meant, try again",
    "ok, now as a table please",
    "what makes you so sure?",
    "put it in simpler terms for my grandmother",
    "more details on the second point",
    "go on",
    "and what would happen otherwise?",
    "write it a bit more politely",
    "is there a better way to do it?",
    "now do the same for the other case",
    "kannst du das kürzer machen?",
    "und warum?",
    "pourquoi ?",
    "plus court s'il te plaît",
    "¿me das otro ejemplo?",
    "再短一点",
    "もう少し詳しく",
    "а почему?",
)
_ANNOUNCED = 0.15
_SAME_SOURCE = 0.5
_ANSWER = {"role": "assistant", "content": "..."}


def concatenations(rated: Path, *, count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield `count` conversations of one to three rated prompts, each with up to three follow-ups.

    `rated` has rows with `prompt`, `cloud` and `source`. Half of the later prompts come from the source of the one
    before; some are announced as a new topic.
    """
    source = random.Random(seed)
    rows = _read(rated)
    by_source: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_source[row["source"]].append(row)
    for _ in range(count):
        messages: list[Mapping[str, str]] = []
        cloud: list[float] = []
        row = source.choice(rows)
        for topic in range(source.choice((1, 2, 2, 3))):
            if topic:
                row = source.choice(by_source[row["source"]] if source.random() < _SAME_SOURCE else rows)
            announced = "New topic: " if topic and source.random() < _ANNOUNCED else ""
            for text in (announced + row["prompt"], *source.sample(_FOLLOW_UPS, source.choice((0, 1, 2, 3)))):
                messages += [{"role": "user", "content": text}, _ANSWER]
                cloud.append(row["cloud"])
        yield {"messages": messages[:-1], "cloud": cloud}


def pairs(measured: Path) -> Iterator[dict[str, Any]]:
    """Yield conversations of two turns: a row's root, and its prompt.

    `measured` has rows with `prompt`, `weak`, `strong` and `detail.root`; the root's label is null where no row has it.
    """
    rows = _read(measured)
    labels = {row["prompt"]: label_from_scores(row["weak"], row["strong"], tau=TAU).p_teacher for row in rows}
    for row in rows:
        root = (row.get("detail") or {}).get("root")
        if root and root != row["prompt"]:
            messages = [{"role": "user", "content": root}, _ANSWER, {"role": "user", "content": row["prompt"]}]
            yield {"messages": messages, "cloud": [labels.get(root), labels[row["prompt"]]]}


def _read(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]
