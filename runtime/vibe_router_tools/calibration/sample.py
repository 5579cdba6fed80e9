"""A sample of scores: four histograms of a stream of prompts, never a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vibe_router.errors import DataError
from vibe_router_tools.calibration.histogram import ScoreHistogram
from vibe_router_tools.evaluation.defaults import HELD_OUT_SHARE, MISS_BOUND
from vibe_router_tools.evaluation.split import is_held_out

_SALT = "calibrate"
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Part:
    """One side of the split: all scores, and those of severe prompts (p_teacher >= miss_bound) among them."""

    scores: ScoreHistogram
    severe: ScoreHistogram

    def merged(self, other: Part) -> Part:
        """Return the part that holds the prompts of both."""
        return Part(self.scores.merged(other.scores), self.severe.merged(other.severe))


@dataclass(frozen=True, kw_only=True)
class ScoreSample:
    """Scores of prompts under one model, divided by prompt hash: one part to choose on, one to check on.

    `model` identifies what gave the scores; `labelled` counts the prompts that had a label; `miss_bound` is
    the preference from which a prompt counts as severe. `rank_error` is the share of the prompts by which a count above
    an edge may be wrong: 0, but for scores from sketches.
    """

    model: str
    held_out_share: float
    miss_bound: float
    labelled: int
    choose: Part
    check: Part
    rank_error: float = 0.0

    @property
    def total(self) -> int:
        """The number of prompts counted."""
        return self.choose.scores.total + self.check.scores.total

    def with_scores(self, scores: Floats, *, held_out: Flags, severe: Flags, labelled: int) -> ScoreSample:
        """Return the sample with these scores, `labelled` of which have a label. All three arrays are [scores]."""

        def extended(part: Part, chosen: Flags) -> Part:
            return Part(part.scores.with_scores(scores[chosen]), part.severe.with_scores(scores[chosen & severe]))

        return replace(
            self,
            labelled=self.labelled + labelled,
            choose=extended(self.choose, ~held_out),
            check=extended(self.check, held_out),
        )


def is_for_checking(prompt: str, share: float = HELD_OUT_SHARE) -> bool:
    """Return whether a prompt is in the part to check on, which its hash decides."""
    return is_held_out(prompt, share, salt=_SALT)


def empty_sample(model: str, *, held_out_share: float = HELD_OUT_SHARE, miss_bound: float = MISS_BOUND) -> ScoreSample:
    """Return the sample of no prompts."""
    nothing = Part(ScoreHistogram.empty(), ScoreHistogram.empty())
    return ScoreSample(
        model=model,
        held_out_share=held_out_share,
        miss_bound=miss_bound,
        labelled=0,
        choose=nothing,
        check=nothing,
    )


def add_prompts(
    sample: ScoreSample,
    prompts: Sequence[str],
    scores: Sequence[float],
    preferences: Sequence[float | None],
) -> ScoreSample:
    """Return the sample with a batch of prompts, their calibrated scores and, where known, their p_teacher.

    Raises:
        ValueError: sequences of different lengths, or a score that is not in 0..1.
    """
    if not len(prompts) == len(scores) == len(preferences):
        raise ValueError("need one score and one preference (or None) for each prompt")
    return sample.with_scores(
        np.asarray(scores, dtype=np.float64),
        held_out=np.array([is_for_checking(prompt, sample.held_out_share) for prompt in prompts], bool),
        severe=np.array([p is not None and p >= sample.miss_bound for p in preferences], bool),
        labelled=sum(preference is not None for preference in preferences),
    )


def merge_samples(first: ScoreSample, second: ScoreSample) -> ScoreSample:
    """Return the sample of the prompts of both: the same as one pass over all of them, in any order.

    Raises:
        DataError: the samples were scored by different models, or divided or labelled by different rules.
    """
    for name in ("model", "held_out_share", "miss_bound"):
        left, right = getattr(first, name), getattr(second, name)
        if left != right:
            raise DataError(
                f"histograms with different {name} cannot be merged: {left} and {right}",
                hint="collect all of them with one bundle and the same options",
            )
    return replace(
        first,
        labelled=first.labelled + second.labelled,
        choose=first.choose.merged(second.choose),
        check=first.check.merged(second.check),
        rank_error=max(first.rank_error, second.rank_error),
    )
