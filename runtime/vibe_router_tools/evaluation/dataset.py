"""Prompts with or without labels from JSON Lines, read as `vibe_router_tools.rows` describes. Keys of a row:

    prompt      required: string, not blank
    source      optional: string, where the prompt comes from
    group       optional: string, the kind of request; `vibe-router eval` gives each group a row of a table
    p_teacher   label: number in 0..1, the teacher's preference for the cloud
    cloud       label: the same, where raters gave it from the prompt alone
    weak strong label: two numbers in 0..1, the quality of each model's answer
    verdicts    label: list of "strong", "weak" or "tie", one a judge

One kind of label a row. `p_teacher` may come with `weak` and `strong`: then it is the label, and the two
are the qualities. Other keys are ignored, so that files may carry identifiers and notes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vibe_router.errors import DataError
from vibe_router_tools import rows
from vibe_router_tools.evaluation.labels import (
    TAU,
    Label,
    Verdict,
    label_from_preference,
    label_from_scores,
    label_from_verdicts,
)
from vibe_router_tools.evaluation.logistic import FloatArray


@dataclass(frozen=True, kw_only=True)
class Row:
    """One prompt of a file. `line` counts from 1; `label` is None where the row carries none."""

    line: int
    prompt: str
    source: str | None
    label: Label | None
    group: str | None = None


@dataclass(frozen=True, kw_only=True)
class LabelledPrompts:
    """All rows of a labelled file as columns of one length n: arrays are float64 [n] in 0..1."""

    prompts: tuple[str, ...]
    sources: tuple[str | None, ...]
    groups: tuple[str | None, ...]
    preference: FloatArray
    device_quality: FloatArray
    cloud_quality: FloatArray


def iterate_rows(lines: Iterable[bytes], name: str, *, tau: float = TAU) -> Iterator[Row]:
    """Yield the rows of an open file, or of any iterable of lines, in constant memory; `name` is for errors.

    Raises:
        DataError: a row is not a JSON object in UTF-8, has no prompt, or a label that is not allowed.
    """
    for row in rows.read_rows(lines, name=name):
        yield _read_row(row, f"{name}:{row.line}", tau)


def read_rows(path: Path, *, tau: float = TAU) -> Iterator[Row]:
    """Yield the rows of the file at `path` in constant memory; the file stays open until the last row.

    Raises:
        DataError: the file cannot be read, or as iterate_rows.
    """
    for row in rows.read_file(path):
        yield _read_row(row, f"{path}:{row.line}", tau)


def read_labelled(path: Path, *, tau: float = TAU) -> LabelledPrompts:
    """Return the labelled rows of the file at `path`.

    Raises:
        DataError: as read_rows; a row without label; no rows; or one class only, that is no row with
            p_teacher > 0.5 or none with p_teacher < 0.5.
    """
    return collect_labelled(read_rows(path, tau=tau), str(path))


def collect_labelled(labelled: Iterable[Row], name: str) -> LabelledPrompts:
    """Return labelled rows as columns; `name` is for errors.

    Raises:
        DataError: a row without label; no rows; or one class only.
    """
    kept: list[Row] = []
    labels: list[Label] = []
    for row in labelled:
        if row.label is None:
            raise DataError(f"{name}:{row.line}: the row has no label", hint=_LABEL_HINT)
        kept.append(row)
        labels.append(row.label)
    if not kept:
        raise DataError(f"{name}: no rows", hint="give a JSONL file with one object a line")
    preference = np.array([label.p_teacher for label in labels], dtype=np.float64)
    for side, better in (("cloud", preference > 0.5), ("device", preference < 0.5)):
        if not np.any(better):
            raise DataError(
                f"{name}: one class only: none of the lines {kept[0].line} to {kept[-1].line} prefers the {side}",
                hint="add rows on which the other side is better; nothing can be measured without them",
            )
    return LabelledPrompts(
        prompts=tuple(row.prompt for row in kept),
        sources=tuple(row.source for row in kept),
        groups=tuple(row.group for row in kept),
        preference=preference,
        device_quality=np.array([label.device_quality for label in labels], dtype=np.float64),
        cloud_quality=np.array([label.cloud_quality for label in labels], dtype=np.float64),
    )


_LABEL_HINT = 'give "p_teacher", or "cloud", or "weak" and "strong", or "verdicts"; all numbers in 0..1'


def _read_row(row: rows.PromptRow, where: str, tau: float) -> Row:
    source = row.others.get("source")
    if not row.prompt.strip():
        raise DataError(f"{where}: no prompt", hint='give every row a "prompt" that is a string, not blank')
    if not isinstance(source, str | None):
        raise DataError(f"{where}: source is not a string", hint="name the source, or leave the key out")
    group = row.others.get("group")
    if not isinstance(group, str | None):
        raise DataError(f"{where}: group is not a string", hint="name the group, or leave the key out")
    label = _read_label(row.others, where, tau)
    return Row(line=row.line, prompt=row.prompt, source=source, group=group, label=label)


def _read_label(data: Mapping[str, Any], where: str, tau: float) -> Label | None:
    given = {key for key in ("p_teacher", "cloud", "weak", "strong", "verdicts") if key in data}
    if not given:
        return None
    if ("weak" in given) != ("strong" in given) or (given & {"verdicts", "cloud"} and len(given) > 1):
        keys = " and ".join(sorted(given))
        raise DataError(f"{where}: {keys} do not make one label", hint=_LABEL_HINT)
    if "verdicts" in given:
        return label_from_verdicts(_read_verdicts(data["verdicts"], where), tau=tau)
    numbers = {key: _read_share(data[key], key, where) for key in given}
    if "weak" not in given:
        return label_from_preference(*numbers.values())
    label = label_from_scores(numbers["weak"], numbers["strong"], tau=tau)
    return replace(label, p_teacher=numbers.get("p_teacher", label.p_teacher))


def _read_verdicts(value: Any, where: str) -> list[Verdict]:
    names = [verdict.value for verdict in Verdict]
    if not isinstance(value, list) or not value or any(item not in names for item in value):
        raise DataError(
            f"{where}: verdicts is not a list of judges' verdicts",
            hint=f"list one of {', '.join(map(repr, names))} for each judge",
        )
    return [Verdict(item) for item in value]


def _read_share(value: Any, key: str, where: str) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value <= 1:
        shown = repr(value) if number else f"a {type(value).__name__}"
        raise DataError(f"{where}: {key} is {shown[:40]}, not a number in 0..1", hint=_LABEL_HINT)
    return float(value)
