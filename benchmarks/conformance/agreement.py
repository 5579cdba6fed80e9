"""How far the answers of a binding agree: with golden.jsonl, and with what Python decided about the same prompts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vibe_router.policy import sigmoid

Lines = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Prompts with the same ids and truncation, those with the same target, and the largest difference of scores."""

    prompts: int
    same_ids: int
    same_targets: int
    max_abs_probability_difference: float


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a file in JSON lines."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def with_golden(answers: Lines, golden: Lines) -> Agreement:
    """Compare answers, which begin with those about the golden prompts, with what the reference model had."""
    expected = [
        {
            "ids": line["input_ids"],
            "truncated": line["truncated"],
            "p_cloud": sigmoid(line["logit"]),
            "target": "cloud" if sigmoid(line["logit"]) > answer["threshold"] else "device",
        }
        for line, answer in zip(golden, answers, strict=False)
    ]
    return with_python(answers[: len(expected)], expected)


def with_python(answers: Lines, expected: Lines) -> Agreement:
    """Compare answers with Python's.

    Raises:
        ValueError: there are more answers, or fewer.
    """
    pairs = list(zip(answers, expected, strict=True))
    return Agreement(
        prompts=len(pairs),
        same_ids=sum((a["ids"], a["truncated"]) == (b["ids"], b["truncated"]) for a, b in pairs),
        same_targets=sum(a["target"] == b["target"] for a, b in pairs),
        max_abs_probability_difference=max((abs(a["p_cloud"] - b["p_cloud"]) for a, b in pairs), default=0.0),
    )
