"""Score samples as JSON files, so that several machines can each count their own prompts.

    schema           "vibe-router-histogram/2"
    model            SHA-256 that identifies what gave the scores
    bins             how many the grid has
    held_out_share miss_bound labelled
    choose check     {"scores": [[bin, count], ...], "severe": [[bin, count], ...]}, bins rising, none empty

Only counts are written: no prompt can be recovered from such a file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from vibe_router.errors import DataError
from vibe_router_tools.atomic.write import write_file
from vibe_router_tools.calibration.histogram import BINS, CountArray, ScoreHistogram
from vibe_router_tools.calibration.sample import Part, ScoreSample

SCHEMA = "vibe-router-histogram/2"
_KEYS = {
    "schema": str,
    "model": str,
    "bins": int,
    "held_out_share": float,
    "miss_bound": float,
    "labelled": int,
    "choose": dict,
    "check": dict,
}
_COUNT_LIMIT = 2**53
MOST_PROMPTS = 2**40


def save_sample(sample: ScoreSample, path: Path) -> None:
    """Write the sample to `path`, which must not exist; it appears there whole or not at all.

    Raises:
        UsageError: the path exists or cannot be written.
    """
    content = {
        "schema": SCHEMA,
        "model": sample.model,
        "bins": BINS,
        "held_out_share": sample.held_out_share,
        "miss_bound": sample.miss_bound,
        "labelled": sample.labelled,
        "choose": _dump_part(sample.choose),
        "check": _dump_part(sample.check),
    }
    write_file(path, json.dumps(content, allow_nan=False).encode(), overwrite=False)


def load_sample(path: Path) -> ScoreSample:
    """Read a sample from `path`.

    Raises:
        DataError: not a file that save_sample writes, or of another grid or schema.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return _parse(data)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}", hint="name a saved histogram") from error
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path} is not a histogram of this version: {error}",
            hint="write it again with vibe-router calibrate --save-histogram",
        ) from error


def _dump_part(part: Part) -> dict[str, list[list[int]]]:
    return {"scores": _dump_counts(part.scores.counts), "severe": _dump_counts(part.severe.counts)}


def _dump_counts(counts: CountArray) -> list[list[int]]:
    return [[int(index), int(counts[index])] for index in np.flatnonzero(counts)]


def _parse(data: Any) -> ScoreSample:
    if not isinstance(data, dict) or set(data) != set(_KEYS):
        raise ValueError("its keys are not those of a histogram")
    for key, kind in _KEYS.items():
        if type(data[key]) is not kind:
            raise ValueError(f"{key} is not of type {kind.__name__}")
    if (data["schema"], data["bins"]) != (SCHEMA, BINS):
        raise ValueError("it has another schema or grid")
    if not 0 < data["held_out_share"] < 1 or not 0 <= data["miss_bound"] <= 1:
        raise ValueError("held_out_share or miss_bound is out of range")
    sample = ScoreSample(
        model=data["model"],
        held_out_share=data["held_out_share"],
        miss_bound=data["miss_bound"],
        labelled=data["labelled"],
        choose=_parse_part(data["choose"]),
        check=_parse_part(data["check"]),
    )
    if not 0 <= sample.labelled <= sample.total:
        raise ValueError("more labels than prompts")
    return sample


def _parse_part(data: dict[str, Any]) -> Part:
    if set(data) != {"scores", "severe"}:
        raise ValueError("a part does not hold scores and severe")
    scores, severe = _parse_counts(data["scores"]), _parse_counts(data["severe"])
    if np.any(severe > scores):
        raise ValueError("more severe prompts than prompts")
    return Part(ScoreHistogram(scores), ScoreHistogram(severe))


def _parse_counts(data: Any) -> CountArray:
    counts = np.zeros(BINS, dtype=np.int64)
    before = -1
    if not isinstance(data, list):
        raise ValueError("counts are not a list")
    for pair in data:
        if not isinstance(pair, list) or len(pair) != 2 or any(type(number) is not int for number in pair):
            raise ValueError("a count is not a pair of integers")
        index, count = pair
        if not before < index < BINS or not 0 < count < _COUNT_LIMIT:
            raise ValueError("bins or counts are out of order or range")
        counts[index] = count
        before = index
    # Far more than anybody routes; sums of several files, and products with them, stay within int64 and float.
    if sum(count for _, count in data) > MOST_PROMPTS:
        raise ValueError(f"it counts more than {MOST_PROMPTS} prompts")
    return counts
