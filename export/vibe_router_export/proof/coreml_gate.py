"""The gate of Core ML packages: interpreted in fp16, they decide as the reference does, or they are not written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vibe_router.bundle.manifest import Manifest
from vibe_router.engines.coreml.engine import CoreMLEngine
from vibe_router.errors import EngineError, ParityError
from vibe_router.policy import LOW_PRECISION_BAND
from vibe_router_export.choices import WeightFormat
from vibe_router_export.proof.cases import ProofCases, compare
from vibe_router_export.proof.mil_interpreter.arithmetic import Rounding
from vibe_router_export.proof.mil_interpreter.program import InterpretedProgram
from vibe_router_export.proof.parity import (
    HALF_PRECISION_P_DIFFERENCE,
    NOT_IN_HALF_PRECISION,
    Case,
    Limits,
    ParityReport,
    gate,
)
from vibe_router_tools.evenly import evenly

_LIMITS = Limits(logit_difference=math.inf, band=LOW_PRECISION_BAND)
_LARGEST_P_DIFFERENCE = HALF_PRECISION_P_DIFFERENCE
_LARGEST_PESSIMISTIC_P_DIFFERENCE = 5e-3
# Of the prompts that are not golden one in this many is interpreted; at base size each takes half a second.
_STRIDE = 4
# Pessimistic arithmetic is slow; these many prompts, the shortest and the longest among them, show an overflow.
_PESSIMISTIC_PROMPTS = 4


@dataclass(frozen=True)
class CoreMLParity:
    """The comparison in fp16, and that of a few prompts with sums in fp16 too."""

    half: ParityReport
    pessimistic: ParityReport


def gate_packages(
    packages: Sequence[Path],
    proof: ProofCases,
    manifest: Manifest,
    *,
    file: str,
    weight_format: WeightFormat,
    every_prompt: bool,
) -> CoreMLParity:
    """Let packages pass that decide as the reference does, in fp16 with sums in fp32 and in fp16.

    Whole fp16 weights must also keep p_cloud to 2e-3, and with sums in fp16 to 5e-3. Compressed ones are judged by
    decisions alone. Interpreted are the golden prompts and a quarter of the others, or `every_prompt`; the report
    counts them.

    Raises:
        ParityError: they do not, or a score is not finite.
    """
    chosen = list(proof.cases) if every_prompt else _some(proof)
    half = _judge(packages, Rounding.HALF, chosen, file, manifest, proof.name())
    gate(half, _LIMITS, temperature=manifest.calibration.temperature)
    pessimistic = _judge(packages, Rounding.PESSIMISTIC, _few(proof.cases), file, manifest, proof.name())
    if weight_format is WeightFormat.FP16:
        numbers, rough = half.numbers, pessimistic.numbers
        _check_difference(numbers.max_abs_probability_difference, _LARGEST_P_DIFFERENCE, "fp16")
        _check_difference(
            rough.max_abs_probability_difference, _LARGEST_PESSIMISTIC_P_DIFFERENCE, "fp16 with sums in fp16 too"
        )
    return CoreMLParity(half, pessimistic)


def _some(proof: ProofCases) -> list[Case]:
    return [*proof.cases[: proof.golden], *proof.cases[proof.golden :: _STRIDE]]


def _few(cases: Sequence[Case]) -> list[Case]:
    by_length = sorted(cases, key=lambda case: len(case.ids))
    return evenly(by_length, _PESSIMISTIC_PROMPTS)


def _judge(
    packages: Sequence[Path],
    rounding: Rounding,
    cases: Sequence[Case],
    file: str,
    manifest: Manifest,
    reference: str,
) -> ParityReport:
    try:
        engine = CoreMLEngine(
            InterpretedProgram(packages, rounding),
            name="coreml",
            file=file,
            precision=WeightFormat.FP16.value,
            pad_token_id=manifest.pad_token_id,
        )
        return compare(manifest, engine, cases, reference=reference, band=_LIMITS.band)
    except EngineError as error:
        raise ParityError(f"in {rounding.value} fp16, {error.message}", hint=NOT_IN_HALF_PRECISION) from error


def _check_difference(difference: float, limit: float, where: str) -> None:
    if not difference <= limit:
        raise ParityError(
            f"p_cloud is up to {difference:.1e} off in {where}; at most {limit:.0e} is allowed",
            hint=NOT_IN_HALF_PRECISION,
        )
