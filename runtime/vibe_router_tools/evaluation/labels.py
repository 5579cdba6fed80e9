"""From what judges or benchmarks measured on one prompt to the teacher's soft preference for the cloud."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

TAU = 0.2
"""The width of the soft label: a quality difference of one tau is a preference of 0.73."""


class Verdict(str, Enum):
    """One judge's verdict on the two answers to a prompt."""

    STRONG = "strong"
    WEAK = "weak"
    TIE = "tie"


@dataclass(frozen=True, kw_only=True)
class Label:
    """What is known about one prompt: the preference p_teacher and each side's quality, all in 0..1."""

    p_teacher: float
    device_quality: float
    cloud_quality: float


def soft_preference(weak: float, strong: float, *, tau: float = TAU) -> float:
    """Return p_teacher = sigmoid((strong - weak) / tau) for the quality of the weak and the strong answer."""
    scaled = (strong - weak) / tau
    small = math.exp(-abs(scaled))
    return (1.0 if scaled >= 0 else small) / (1.0 + small)


def win_rate(verdicts: Sequence[Verdict]) -> float:
    """Return the strong model's win rate over the judges, (wins + ties / 2) / verdicts, in 0..1.

    Raises:
        ValueError: no verdicts.
    """
    if not verdicts:
        raise ValueError("no verdicts")
    points = sum({Verdict.STRONG: 1.0, Verdict.TIE: 0.5, Verdict.WEAK: 0.0}[verdict] for verdict in verdicts)
    return points / len(verdicts)


def label_from_scores(weak: float, strong: float, *, tau: float = TAU) -> Label:
    """Return the label of a prompt on which both answers were scored, each in 0..1."""
    preference = soft_preference(weak, strong, tau=tau)
    return Label(p_teacher=preference, device_quality=weak, cloud_quality=strong)


def label_from_verdicts(verdicts: Sequence[Verdict], *, tau: float = TAU) -> Label:
    """Return the label of a prompt on which judges compared the answers.

    The verdicts are aggregated first: the scores are the win rate w of the strong model and 1 - w.

    Raises:
        ValueError: no verdicts.
    """
    strong = win_rate(verdicts)
    return label_from_scores(1.0 - strong, strong, tau=tau)


def label_from_preference(p_teacher: float) -> Label:
    """Return the label where only p is known: the qualities are p (cloud) and 1 - p (device)."""
    return Label(p_teacher=p_teacher, device_quality=1.0 - p_teacher, cloud_quality=p_teacher)
