"""Rows -> scores: one prompt at a time, so that a score never depends on its neighbours.

Scoring in batches changes the last digits of a logit, in int8 even the second; then two halves of a file
would not add up to the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vibe_router.bundle.manifest import Calibration
from vibe_router.errors import PromptError
from vibe_router.policy import profile_threshold
from vibe_router.progress import Progress, ProgressCallback
from vibe_router.router import Router
from vibe_router_tools.evaluation.dataset import Row
from vibe_router_tools.evaluation.logistic import FloatArray, calibrated_from_raw, raw_from_calibrated


@dataclass(frozen=True, kw_only=True)
class Scored:
    """The scores of one bundle, float64 [n], that decisions are made of, and the same on both scales.

    `scale`, "calibrated" or "raw", is that of `scores` and of `thresholds`, which map profile to threshold.
    """

    scores: FloatArray
    raw: FloatArray
    calibrated: FloatArray
    scale: str
    thresholds: Mapping[str, float]
    engine: str


def score_rows(router: Router, rows: Iterable[Row], name: str) -> Iterator[tuple[Row, float]]:
    """Yield each row with its score p_cloud on the scale of the bundle; `name` is for errors.

    Raises:
        PromptError: a prompt cannot be tokenized; the message names the line.
        EngineError: the engine failed.
    """
    for row in rows:
        try:
            p_cloud = router.route(row.prompt).p_cloud
        except PromptError as error:
            raise PromptError(f"{name}:{row.line}: {error.message}", hint=error.hint) from error
        assert p_cloud is not None, "without a fallback there is a score or an error"
        yield row, p_cloud


def score_all(router: Router, rows: Sequence[Row], name: str, *, progress: ProgressCallback | None = None) -> Scored:
    """Return the scores of all rows with what they are to be compared with; `name` is for errors.

    Raises:
        PromptError, EngineError: as score_rows.
    """
    scores = np.empty(len(rows))
    for index, (_, score) in enumerate(score_rows(router, rows, name)):
        scores[index] = score
        if progress is not None:
            progress(Progress(index + 1, len(rows)))
    manifest = router.bundle.manifest
    raw, calibrated = both_scales(scores, manifest.calibration)
    return Scored(
        scores=scores,
        raw=raw,
        calibrated=calibrated,
        scale="calibrated" if manifest.calibration.folded else "raw",
        thresholds={profile: profile_threshold(manifest, profile) for profile in manifest.thresholds},
        engine=router.engine.name,
    )


def both_scales(scores: FloatArray, calibration: Calibration) -> tuple[FloatArray, FloatArray]:
    """Return scores of a bundle, float [n], as (raw, calibrated): before and after temperature scaling.

    The bundle's own scores are the calibrated ones where its temperature is folded into the graph, else raw.
    """
    if calibration.folded:
        return raw_from_calibrated(scores, calibration.temperature), scores
    return scores, calibrated_from_raw(scores, calibration.temperature)
