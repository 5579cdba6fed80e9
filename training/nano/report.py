"""Everything that the card says of a finished run, as data."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from nano.judge import MeasuredFigures, RatedFigures
from nano.material import Material
from nano.sources import LABELLED, UNKNOWN, UNLABELLED
from vibe_router_tools.evaluation.groups import GroupFigures
from vibe_router_tools.evaluation.jsonable import jsonable
from vibe_router_training.data import Split


@dataclass(frozen=True, kw_only=True)
class SourceRow:
    """One source: its rows in each split, what they are used for, origin and licence."""

    source: str
    kind: str
    train: int
    validation: int
    test: int
    origin: str
    licence: str


@dataclass(frozen=True, kw_only=True)
class ExampleDecision:
    """One of the card's example prompts."""

    prompt: str
    p_cloud: float
    target: str


@dataclass(frozen=True, kw_only=True)
class TrainingReport:
    """What was made, from what, and how well it does on the test split, which nothing was chosen on.

    `rated` is by part of the rated rows and scorer, `exam` and `chat` by scorer, `groups` by group of the rated rows.
    `cloud_rates` are the profiles' shares of the rated validation rows.
    """

    parameters: int
    vocabulary: int
    seed: int
    recipe: Mapping[str, Any]
    counts: Mapping[str, int]
    temperature: float
    ece_before: float
    ece_after: float
    profiles: Mapping[str, float]
    cloud_rates: Mapping[str, float]
    sources: tuple[SourceRow, ...]
    rated: Mapping[str, Mapping[str, RatedFigures]]
    groups: Mapping[str, GroupFigures]
    exam: Mapping[str, MeasuredFigures]
    chat: Mapping[str, MeasuredFigures]
    forms: Mapping[str, float]
    examples: tuple[ExampleDecision, ...]
    seconds: float


def count_sources(material: Material) -> tuple[SourceRow, ...]:
    """Return one row for each kind and source, with the number of rows in each split."""
    parts = {split: material.part(split) for split in Split}
    rows = []
    for kind in ("rated", "chat", "verifiable", "exam", "unlabelled"):
        counts = {split: Counter(_sources(part, kind)) for split, part in parts.items()}
        for source in sorted({name for count in counts.values() for name in count}):
            known = UNLABELLED if kind == "unlabelled" else LABELLED
            origin = known.get(source) or UNLABELLED.get(source) or UNKNOWN
            rows.append(
                SourceRow(
                    source=source,
                    kind=kind,
                    train=counts[Split.TRAIN][source],
                    validation=counts[Split.VALIDATION][source],
                    test=counts[Split.TEST][source],
                    origin=origin.origin,
                    licence=origin.licence,
                )
            )
    return tuple(rows)


def dump_report(report: TrainingReport) -> str:
    """Return the report as JSON text; numbers that are not defined are null."""
    return json.dumps(jsonable(asdict(report)), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _sources(part: Material, kind: str) -> list[str]:
    if kind == "unlabelled":
        return [row.source for row in part.unlabelled]
    return [source or "" for source in getattr(part, kind).sources]
