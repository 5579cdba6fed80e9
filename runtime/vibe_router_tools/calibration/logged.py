"""Scores of the gateway's log into a sample: thresholds from one's own traffic, without its text."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from vibe_router_gateway.log.rows import LoggedScore
from vibe_router_tools.calibration.sample import ScoreSample

PREFERENCE = {"cloud": 1.0, "same": 0.5, "device": 0.0}
"""Feedback as p_teacher: a user who was asked saw one better, or no difference."""


def count_logged(sample: ScoreSample, scores: Iterable[LoggedScore]) -> ScoreSample:
    """Return the sample with the scores counted; feedback is their label, and where there is none they have none.

    A request that was sent twice counts twice: its share of the traffic is what the threshold is for.
    """
    rows = list(scores)
    return sample.with_scores(
        np.array([row.p_cloud for row in rows], dtype=np.float64),
        held_out=np.array([row.held_out for row in rows], bool),
        severe=np.array([_preference(row) >= sample.miss_bound for row in rows], bool),
        labelled=sum(row.better is not None for row in rows),
    )


def _preference(row: LoggedScore) -> float:
    return -1.0 if row.better is None else PREFERENCE[row.better]
