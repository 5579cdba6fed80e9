"""The teacher's soft label: one definition, shared with evaluation, so that both speak of the same p.

    p_teacher = sigmoid((strong - weak) / tau),  tau = 0.2

`strong` and `weak` are the qualities of the two answers in 0..1. Pairwise verdicts of judges are aggregated
first, to the strong model's win rate w = (wins + ties / 2) / verdicts; the qualities are then w and 1 - w.
"""

from vibe_router.evaluation.labels import (
    TAU,
    Label,
    Verdict,
    label_from_preference,
    label_from_scores,
    label_from_verdicts,
    soft_preference,
    win_rate,
)

__all__ = [
    "TAU",
    "Label",
    "Verdict",
    "label_from_preference",
    "label_from_scores",
    "label_from_verdicts",
    "soft_preference",
    "win_rate",
]
