"""Scored rows -> score sample, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from vibe_router.progress import Progress, ProgressCallback
from vibe_router_tools.calibration.sample import ScoreSample, add_prompts
from vibe_router_tools.evaluation.dataset import Row

_BATCH = 1024


def count_scores(
    sample: ScoreSample,
    scored: Iterable[tuple[Row, float]],
    *,
    progress: ProgressCallback | None = None,
) -> ScoreSample:
    """Return the sample with every scored row counted; at most a batch of rows is held in memory."""
    source = iter(scored)
    done = 0
    while batch := list(islice(source, _BATCH)):
        sample = add_prompts(
            sample,
            [row.prompt for row, _ in batch],
            [score for _, score in batch],
            [None if row.label is None else row.label.p_teacher for row, _ in batch],
        )
        done += len(batch)
        if progress is not None:
            progress(Progress(done, None))
    return sample
