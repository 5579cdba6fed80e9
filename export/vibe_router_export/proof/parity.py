"""The parity gate: an artifact decides as the PyTorch reference does, or it is not written."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vibe_router.bundle.manifest import ParityNumbers, Threshold
from vibe_router.engines.protocol import Engine
from vibe_router.errors import ParityError
from vibe_router.policy import LOW_PRECISION_BAND, above, sigmoid
from vibe_router.routing.scorer import score
from vibe_router.verify import FP32_TOLERANCE
from vibe_router_export.choices import Precision

_BATCH = 16


@dataclass(frozen=True)
class Case:
    """One prompt as the reference sees it: its ids (int64 [tokens]) and its raw logit z."""

    prompt: str
    ids: NDArray[np.int64]
    logit: float


@dataclass(frozen=True)
class Limits:
    """What the gate lets pass. A flip inside the band |p - threshold| < `band` is no error of the artifact's.

    `logit_difference` and `probability_difference` are infinite where decisions alone count.
    """

    logit_difference: float
    band: float
    flips_outside_band: int = 0
    probability_difference: float = math.inf


FP32_LIMITS = Limits(logit_difference=FP32_TOLERANCE, band=0.0)
HALF_PRECISION_P_DIFFERENCE = 2e-3
"""Largest |p_cloud - reference| of a graph in fp16."""
NOT_IN_HALF_PRECISION = "nothing was written; this checkpoint does not survive fp16 as it is"
"""The hint of an error of a file in fp16."""


def limits_for(precision: Precision, *, band: float = LOW_PRECISION_BAND, max_flips: int = 0) -> Limits:
    """Return what a graph of `precision` must keep; `band` and `max_flips` are for those below fp32."""
    if precision is Precision.FP32:
        return FP32_LIMITS
    nearly_exact = precision is Precision.FP16
    return Limits(math.inf, band, max_flips, HALF_PRECISION_P_DIFFERENCE if nearly_exact else math.inf)


@dataclass(frozen=True)
class Flip:
    """A prompt that the artifact sends to the other side than the reference does."""

    prompt: str
    profile: str
    threshold: Threshold
    reference_p: float
    artifact_p: float


@dataclass(frozen=True)
class ParityReport:
    """The comparison over all cases: the numbers, the case with the largest difference, the flips outside the band."""

    numbers: ParityNumbers
    worst: Case
    worst_logit: float
    flips: tuple[Flip, ...]


def check_ids(
    prompts: Sequence[str], ours: Callable[[str], Sequence[int]], reference: Callable[[str], Sequence[int]]
) -> None:
    """Check that both tokenizers give the same ids for every prompt.

    Raises:
        ParityError: they differ; the message names the prompt and the place.
    """
    for prompt in prompts:
        expected, got = list(reference(prompt)), list(ours(prompt))
        if expected != got:
            place = next(
                (i for i, (a, b) in enumerate(zip(expected, got, strict=False)) if a != b),
                min(len(expected), len(got)),
            )
            raise ParityError(
                f"token ids differ for {_shorten(prompt)} at place {place}: the reference has "
                f"{expected[place : place + 4]} ({len(expected)} ids), "
                f"the runtime {got[place : place + 4]} ({len(got)} ids)",
                hint="docs/checkpoints.md names the kinds of tokenizers that the runtime reads",
            )


def measure(
    engine: Engine,
    cases: Sequence[Case],
    *,
    temperature: float,
    thresholds: Mapping[str, Threshold],
    reference: str,
    band: float,
) -> ParityReport:
    """Run every case alone and in padded batches and compare with the reference.

    The reference's decision is made on the raw scale, sigmoid(z) > raw, the artifact's on the calibrated one,
    sigmoid(logit) > calibrated: so a wrong temperature or threshold is a flip like any other.
    """
    alone = np.array([float(score(engine, [case.ids])[0]) for case in cases])
    batched = _in_padded_batches(engine, cases)
    expected = np.array([case.logit / temperature for case in cases])
    # Of both runs, the one that is further from the reference.
    scores = np.where(np.abs(alone - expected) >= np.abs(batched - expected), alone, batched)
    differences = np.abs(scores - expected)
    p_differences = [
        abs(sigmoid(float(score)) - sigmoid(float(target))) for score, target in zip(scores, expected, strict=True)
    ]
    flips, outside = dict.fromkeys(thresholds, 0), []
    for case, one, many in zip(cases, alone, batched, strict=True):
        reference_p, alone_p, batched_p = (sigmoid(float(z)) for z in (case.logit / temperature, one, many))
        for profile, threshold in thresholds.items():
            at = threshold.calibrated
            # `Router.route_many` scores again alone what a batch leaves within the band.
            runs = (alone_p, alone_p if abs(batched_p - at) <= band else batched_p)
            to_cloud = above(sigmoid(case.logit), threshold.raw)
            flipped = [p for p in runs if above(p, at) != to_cloud]
            if not flipped:
                continue
            flips[profile] += 1
            if abs(reference_p - at) >= band:
                outside.append(Flip(case.prompt, profile, threshold, reference_p, flipped[0]))
    worst = int(differences.argmax())
    numbers = ParityNumbers(
        reference=reference,
        prompts=len(cases),
        max_abs_logit_difference=float(differences[worst]),
        max_abs_probability_difference=max(p_differences),
        flips=sum(flips.values()),
        flips_outside_band=len(outside),
        band=band,
        percentile_99_abs_probability_difference=float(np.percentile(p_differences, 99)),
        flips_by_profile=flips,
    )
    return ParityReport(numbers, cases[worst], float(scores[worst]), tuple(outside))


def gate(report: ParityReport, limits: Limits, *, temperature: float) -> None:
    """Let a report pass that keeps the limits.

    Raises:
        ParityError: what `failure` found.
    """
    error = failure(report, limits, temperature=temperature)
    if error is not None:
        raise error


def failure(report: ParityReport, limits: Limits, *, temperature: float) -> ParityError | None:
    """Return what keeps a report from passing: a logit too far off (NaN included), or decisions that flip.

    The message names the worst prompt, both scores and, for a flip, the threshold.
    """
    numbers = report.numbers
    if not numbers.max_abs_logit_difference <= limits.logit_difference:
        return ParityError(
            f"the logit of {_shorten(report.worst.prompt)} ({len(report.worst.ids)} tokens) is "
            f"{report.worst_logit:.6f}, "
            f"the reference's {report.worst.logit / temperature:.6f}: {numbers.max_abs_logit_difference:.2e} apart, "
            f"at most {limits.logit_difference:.0e} is allowed{_flip_text(report)}",
            hint="nothing was written; this is a defect of the exporter or a checkpoint it misreads",
        )
    if not numbers.max_abs_probability_difference <= limits.probability_difference:
        return ParityError(
            f"p_cloud is up to {numbers.max_abs_probability_difference:.1e} off, "
            f"at most {limits.probability_difference:.0e} is allowed{_flip_text(report)}",
            hint="nothing was written; this checkpoint does not survive this precision as it is",
        )
    if numbers.flips_outside_band > limits.flips_outside_band:
        outside = f" outside the band of {numbers.band:g}" if numbers.band else ""
        return ParityError(
            f"{numbers.flips_outside_band} decisions differ from the reference's{outside}, "
            f"at most {limits.flips_outside_band} may{_flip_text(report)}",
            hint="nothing was written; choose a higher precision, or tolerate more with --band or --max-flips",
        )
    return None


def _flip_text(report: ParityReport) -> str:
    if not report.flips:
        return ""
    flip = max(report.flips, key=lambda flip: abs(flip.artifact_p - flip.reference_p))
    return (
        f"; {_shorten(flip.prompt)} flips at {flip.profile}: p_cloud {flip.artifact_p:.6f} instead of "
        f"{flip.reference_p:.6f}, threshold {flip.threshold.calibrated:.6f}"
    )


def _in_padded_batches(engine: Engine, cases: Sequence[Case]) -> NDArray[np.float32]:
    """Return the logits of padded batches: one very short prompt with others of about equal length."""
    by_length = sorted(range(len(cases)), key=lambda index: len(cases[index].ids))
    count = -(-len(cases) // _BATCH)
    short, rest = by_length[:count], by_length[count:]
    logits = np.empty(len(cases), np.float32)
    for number, shortest in enumerate(short):
        chosen = [shortest, *rest[number * (_BATCH - 1) : (number + 1) * (_BATCH - 1)]]
        logits[chosen] = score(engine, [cases[index].ids for index in chosen])
    return logits


def _shorten(prompt: str) -> str:
    return repr(prompt if len(prompt) <= 60 else prompt[:57] + "...")
