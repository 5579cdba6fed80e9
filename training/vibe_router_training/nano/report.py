"""The account of one training run: what `training_report.json` holds and the card is written from."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from vibe_router_tools.evaluation.dataset import LabelledPrompts
from vibe_router_training.data import RawPrompt, Split, split_of
from vibe_router_training.nano.figures import Figures, Lead
from vibe_router_training.nano.sources import LABELLED, UNKNOWN, UNLABELLED
from vibe_router_training.sweep import SweepRow


@dataclass(frozen=True, kw_only=True)
class SourceRows:
    """How many rows of one source fell into each split, and how they were used."""

    source: str
    labelled: bool
    train: int
    validation: int
    test: int
    used_for: str
    origin: str
    licence: str


@dataclass(frozen=True, kw_only=True)
class DemoDecision:
    """One example prompt of the model card at the profile `balanced`."""

    prompt: str
    raw: float
    p_cloud: float
    target: str


@dataclass(frozen=True, kw_only=True)
class RefitSummary:
    """What the shipped weights were fitted to; `agreement` is the correlation of their logits with the judged model's.

    Measured on the validation prompts.
    """

    rows: int
    variants: int
    weak_examples: int
    agreement: float


@dataclass(frozen=True, kw_only=True)
class TrainingReport:
    """Everything the card says.

    Figures are those of the model fitted to the training split; on the test split they were computed once, after
    all choices. The leads are over the bag of words. Profiles, cloud rates and example decisions are those of the
    refitted weights, which ship.
    """

    name: str
    seed: int
    parameters: int
    vocabulary: int
    recipe: dict[str, Any]
    sources: tuple[SourceRows, ...]
    variants: int
    weak_examples: int
    teacher: Figures
    sweep: tuple[SweepRow, ...]
    temperature: float
    ece_before: float
    ece_after: float
    profiles: dict[str, float]
    cloud_rates: dict[str, float]
    validation: tuple[Figures, ...]
    validation_lead: Lead
    test: tuple[Figures, ...]
    test_lead: Lead
    test_by_source: dict[str, Figures]
    refit: RefitSummary
    demo: tuple[DemoDecision, ...]
    seconds: float
    versions: dict[str, str]


def dump_report(report: TrainingReport) -> str:
    """Return the report as JSON text; figures that do not exist are null."""
    return json.dumps(_finite(asdict(report)), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def count_sources(
    labelled: LabelledPrompts, unlabelled: Sequence[RawPrompt], weakly_labelled: Sequence[str]
) -> tuple[SourceRows, ...]:
    """Count rows by source and split; `weakly_labelled` are the unlabelled sources that became examples."""
    groups = [
        (
            True,
            LABELLED,
            [(source or "", prompt) for source, prompt in zip(labelled.sources, labelled.prompts, strict=True)],
        ),
        (False, UNLABELLED, [(row.source, row.prompt) for row in unlabelled]),
    ]
    result = []
    for is_labelled, origins, pairs in groups:
        counts = Counter((source, split_of(prompt)) for source, prompt in pairs)
        for source, _ in Counter(source for source, _ in pairs).most_common():
            origin = origins.get(source, UNKNOWN)
            weak = source in weakly_labelled
            used = "labels, tokenizer" if is_labelled else "weak labels, tokenizer" if weak else "tokenizer"
            result.append(
                SourceRows(
                    source=source,
                    labelled=is_labelled,
                    train=counts[source, Split.TRAIN],
                    validation=counts[source, Split.VALIDATION],
                    test=counts[source, Split.TEST],
                    used_for=used,
                    origin=origin.origin,
                    licence=origin.licence,
                )
            )
    return tuple(result)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
