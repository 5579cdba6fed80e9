"""The account of one training run: what `training_report.json` holds and the card is written from."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vibe_router.evaluation.bootstrap import Interval, bootstrap
from vibe_router.evaluation.curve import average_gap_recovered, quality_curve
from vibe_router.evaluation.dataset import LabelledPrompts
from vibe_router.evaluation.logistic import FloatArray
from vibe_router.evaluation.metrics import auc
from vibe_router.evaluation.reliability import chance_calibration_error, expected_calibration_error
from vibe_router_training.data import RawPrompt, Split, split_of, take
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
class Figures:
    """One scorer on one set of rows, each figure with its 95 % bootstrap interval.

    `auc` over rows whose answers differ in quality, `apgr` over all rows, `ece` in 15 equal-count bins against
    p_teacher, `ece_by_chance` what the labels' noise alone would make of it on average. Both are None for scores that
    are no probabilities, the latter also where no bin has two rows to tell the noise from.
    """

    scorer: str
    rows: int
    unequal_rows: int
    auc: Interval
    apgr: Interval
    ece: Interval | None
    ece_by_chance: float | None


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
    all choices. Profiles, cloud rates and example decisions are those of the refitted weights, which ship.
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
    test: tuple[Figures, ...]
    test_by_source: dict[str, Figures]
    refit: RefitSummary
    demo: tuple[DemoDecision, ...]
    seconds: float
    versions: dict[str, str]


def dump_report(report: TrainingReport) -> str:
    """Return the report as JSON text; figures that do not exist are null."""
    return json.dumps(_finite(asdict(report)), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def figures(scorer: str, data: LabelledPrompts, scores: FloatArray, *, probabilities: bool = True) -> Figures:
    """Judge `scores`, float [n], on labelled rows; ECE only if they are `probabilities`."""

    def statistics(sample: npt.NDArray[np.intp]) -> FloatArray:
        p, chosen = data.preference[sample], scores[sample]
        curve = quality_curve(chosen, data.device_quality[sample], data.cloud_quality[sample])
        ece = expected_calibration_error(chosen, p) if probabilities else math.nan
        return np.array([auc(chosen, p), average_gap_recovered(curve), ece])

    chance = chance_calibration_error(scores, data.preference) if probabilities else math.nan
    auc_interval, apgr_interval, ece_interval = bootstrap(statistics, len(scores))
    return Figures(
        scorer=scorer,
        rows=len(scores),
        unequal_rows=int(np.sum(data.preference != 0.5)),
        auc=auc_interval,
        apgr=apgr_interval,
        ece=ece_interval if probabilities else None,
        ece_by_chance=None if math.isnan(chance) else chance,
    )


def figures_by_source(scorer: str, data: LabelledPrompts, scores: FloatArray) -> dict[str, Figures]:
    """Return `figures` for each source apart, most rows first."""
    counts = Counter(source or "" for source in data.sources)
    result = {}
    for source, _ in counts.most_common():
        rows = [index for index, name in enumerate(data.sources) if (name or "") == source]
        result[source] = figures(scorer, take(data, rows), scores[rows])
    return result


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
