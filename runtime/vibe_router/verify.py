"""Replay a bundle's golden prompts on this machine's engine: are ids and logits what the reference had?"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vibe_router.engines.choice import NATIVE_CPU
from vibe_router.errors import BundleCorruptError, ParityError
from vibe_router.policy import LOW_PRECISION_BAND, above, sigmoid
from vibe_router.progress import Progress, ProgressCallback

if TYPE_CHECKING:
    from vibe_router.bundle.bundle import Bundle
    from vibe_router.router import Router
    from vibe_router.text.protocol import Tokenizer

GOLDEN_NAME = "golden.jsonl"
FP32_TOLERANCE = 1e-4
"""Largest |logit - reference| of a graph in fp32. Rounding alone gives about 1e-6."""


@dataclass(frozen=True, kw_only=True)
class GoldenPrompt:
    """One line of golden.jsonl: a prompt with the reference's ids and its logit z / temperature."""

    prompt: str
    input_ids: tuple[int, ...]
    truncated: bool
    logit: float


@dataclass(frozen=True, kw_only=True)
class ProfileParity:
    """How many golden prompts one profile's threshold decides differently from the reference."""

    profile: str
    threshold: float
    flips: int
    flips_outside_band: int


@dataclass(frozen=True, kw_only=True)
class VerifyReport:
    """What the replay found. `tolerance` is null for a precision that is judged by decisions alone.

    Logits and probabilities are on the calibrated scale, z / temperature. A flip is outside the band where
    the reference's |p - threshold| >= band; in fp32 the band is 0, so that every flip counts.
    """

    bundle: str
    engine: str
    file: str
    precision: str
    prompts: int
    id_mismatches: int
    max_abs_logit_difference: float
    max_abs_probability_difference: float
    worst_prompt: int
    tolerance: float | None
    band: float
    profiles: tuple[ProfileParity, ...]

    @property
    def passed(self) -> bool:
        """Whether ids are equal, logits within the tolerance, and no decision flips outside the band."""
        return not self.failures()

    def failures(self) -> list[str]:
        """Return what is wrong, one sentence each."""
        found: list[str] = []
        difference = self.max_abs_logit_difference
        if self.id_mismatches:
            found.append(f"{self.id_mismatches} of {self.prompts} prompts have other token ids")
        if self.tolerance is not None and not difference <= self.tolerance:
            found.append(
                f"golden prompt {self.worst_prompt} has a logit off by {difference:.3g}, more than {self.tolerance:.0e}"
            )
        found += [
            f"{profile.profile}: {profile.flips_outside_band} decisions flip at {profile.threshold:.6f}"
            for profile in self.profiles
            if profile.flips_outside_band
        ]
        return found

    def require(self) -> None:
        """Raise what failed.

        Raises:
            ParityError: the replay did not pass.
        """
        if not self.passed:
            raise ParityError(
                f"{self.bundle} on {self.engine} disagrees with its reference: {'; '.join(self.failures())}",
                hint="do not use this bundle with this engine here; please report it with the --json output",
            )


def verify(router: Router, *, progress: ProgressCallback | None = None) -> VerifyReport:
    """Score the golden prompts one by one and compare them with the reference.

    Ids are also those of the tokenizer in the native file, which `Usage.ONCE` reads, where that is the engine's file.

    Raises:
        BundleCorruptError: no golden prompts, or a line that is not one.
        EngineError: the engine failed.
    """
    from vibe_router.routing.scorer import score

    bundle = router.bundle
    golden = list(read_golden(bundle))
    others = _other_tokenizers(router)
    scale = 1.0 if bundle.manifest.calibration.folded else bundle.manifest.calibration.temperature
    mismatches = 0
    logits: list[float] = []
    for done, item in enumerate(golden, start=1):
        encoded = router.tokenizer.encode(item.prompt)
        read = [encoded, *(other.encode(item.prompt) for other in others)]
        mismatches += any((tuple(one.ids.tolist()), one.truncated) != (item.input_ids, item.truncated) for one in read)
        logits.append(float(score(router.engine, [encoded.ids])[0]) / scale)
        if progress is not None:
            progress(Progress(done, len(golden)))
    return _report(router, golden, logits, mismatches)


def _other_tokenizers(router: Router) -> list[Tokenizer]:
    engine = router.engine
    if engine.name != NATIVE_CPU:
        return []
    from vibe_router.engines.native.router_file import read_router_file

    with router.bundle.checking(engine.file) as (descriptor, _):
        found = read_router_file(descriptor, file=engine.file, max_tokens=router.bundle.manifest.max_tokens)
    return [] if found is None else [found]


def read_golden(bundle: Bundle) -> Iterator[GoldenPrompt]:
    """Yield the golden prompts of a bundle.

    Raises:
        BundleCorruptError: there are none, or a line is not a golden prompt.
    """
    lines = bundle.read(GOLDEN_NAME).splitlines()
    if not lines:
        raise BundleCorruptError(f"{GOLDEN_NAME} is empty", hint="export the bundle again")
    for number, line in enumerate(lines, start=1):
        try:
            yield _golden_prompt(json.loads(line))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise BundleCorruptError(
                f"{GOLDEN_NAME}, line {number}: not a golden prompt ({error})", hint="export the bundle again"
            ) from error


def _golden_prompt(row: dict[str, Any]) -> GoldenPrompt:
    item = GoldenPrompt(
        prompt=row["prompt"],
        input_ids=tuple(row["input_ids"]),
        truncated=row["truncated"],
        logit=float(row["logit"]),
    )
    valid = (
        isinstance(item.prompt, str)
        and all(type(token) is int for token in item.input_ids)
        and isinstance(item.truncated, bool)
        and math.isfinite(item.logit)
    )
    if not valid:
        raise TypeError("a field has the wrong type")
    return item


def _report(router: Router, golden: list[GoldenPrompt], logits: list[float], mismatches: int) -> VerifyReport:
    manifest, engine = router.bundle.manifest, router.engine
    fp32 = engine.precision == "fp32"
    parity = next((file.parity for file in manifest.engines if file.file == engine.file), None)
    band = 0.0 if fp32 else (parity.band if parity else LOW_PRECISION_BAND)
    differences = [abs(logit - item.logit) for logit, item in zip(logits, golden, strict=True)]
    pairs = [(sigmoid(logit), sigmoid(item.logit)) for logit, item in zip(logits, golden, strict=True)]
    profiles = []
    for name, threshold in manifest.thresholds.items():
        at = threshold.calibrated
        flipped = [reference for p, reference in pairs if above(p, at) != above(reference, at)]
        outside = sum(abs(reference - at) >= band for reference in flipped)
        profiles.append(ProfileParity(profile=name, threshold=at, flips=len(flipped), flips_outside_band=outside))
    return VerifyReport(
        bundle=manifest.name,
        engine=engine.name,
        file=engine.file,
        precision=engine.precision,
        prompts=len(golden),
        id_mismatches=mismatches,
        max_abs_logit_difference=max(differences),
        max_abs_probability_difference=max(abs(p - reference) for p, reference in pairs),
        worst_prompt=differences.index(max(differences)),
        tolerance=FP32_TOLERANCE if fp32 else None,
        band=band,
        profiles=tuple(profiles),
    )
