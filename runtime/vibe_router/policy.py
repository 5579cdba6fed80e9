"""From a score to a decision: the only place where a score is compared with a threshold.

A decision is `cloud` if and only if p_cloud > threshold, strictly. Both are on the same scale: the
calibrated one, sigmoid(z / temperature), where the bundle's graph has the temperature folded in, and the
raw one, sigmoid(z), where it has not. Dividing by a positive temperature keeps the order of logits, so a
threshold moved by `calibrate_threshold` splits the prompts exactly as the raw one did.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from vibe_router.bundle.strict_json import shown
from vibe_router.errors import UsageError
from vibe_router.real_number import real_number

if TYPE_CHECKING:
    from vibe_router.bundle.manifest import Manifest

LOW_PRECISION_BAND = 0.02
"""Below fp32 a decision may differ from fp32's where |p_cloud - threshold| is less than this."""


class Target(str, Enum):
    """Where a request goes. As text it is its value, "device" or "cloud"."""

    DEVICE = "device"
    CLOUD = "cloud"

    def __str__(self) -> str:
        return self.value


class Reason(str, Enum):
    """Why a request goes there."""

    SCORE = "score"
    """The score was compared with the threshold."""
    PINNED = "pinned"
    """The caller forbade the cloud."""
    FALLBACK = "fallback"
    """There is no score, and the caller had named a target for that case."""
    HELD = "held"
    """A conversation stays on its side: the turn leans on earlier ones, carries on a tool call, or its score has not
    passed the threshold by enough, or often enough, for a change."""
    REQUIRED = "required"
    """The request needs what the device's model lacks: tools, images, sound, or a longer context."""


def _new_id() -> str:
    # Random bytes of the operating system, so that no two processes give one id twice, forked or not.
    return os.urandom(8).hex()


@dataclass(frozen=True, kw_only=True)
class Call:
    """The call that a decision answers: by whose threshold, with which bundle, and since when.

    `profile` is None where the call gave a threshold of its own; `started` is a time of `time.perf_counter`.
    """

    profile: str | None = None
    bundle: str = ""
    bundle_version: str = ""
    started: float = field(default_factory=time.perf_counter)

    @property
    def milliseconds(self) -> float:
        """The time since the call began."""
        return (time.perf_counter() - self.started) * 1e3


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One routed prompt.

    `p_cloud`, `threshold` and `margin` = p_cloud - threshold are on one scale, see the module's docstring. `logit` is
    what the engine gave, p_cloud = sigmoid(logit). `p_cloud`, `margin` and `logit` are None where the engine gave no
    score: never with `Reason.SCORE`, always with `Reason.FALLBACK`.
    `tokens` counts the prompt's ids, [CLS] and [SEP] included, and `truncated` says that it had more; they are 0 and
    False where the time was up before the prompt was read. `engine` names what ran, for example "onnx-cpu".

    `profile` is None where the call gave a threshold of its own; `bundle` and `bundle_version` are the manifest's. `id`
    is 16 random hexadecimal digits. `latency_ms` is the time from the call to the decision in milliseconds; of prompts
    that are routed together, from the reading of the first. Decisions are equal whatever these two are.
    """

    target: Target
    p_cloud: float | None
    threshold: float
    margin: float | None
    tokens: int
    truncated: bool
    engine: str
    reason: Reason
    profile: str | None = None
    bundle: str = ""
    bundle_version: str = ""
    logit: float | None = None
    id: str = field(default_factory=_new_id, compare=False)
    latency_ms: float = field(default=0.0, compare=False)


def sigmoid(logit: float) -> float:
    """Return 1 / (1 + exp(-logit)) in float64, without overflow for any finite logit.

    The graph's own `p_cloud` output is float32: above a logit of about 17 it is exactly 1 and no longer
    orders prompts, and next to a threshold it is 2^-24 coarse. Decisions are therefore made from the logit
    with this.
    """
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-logit))
    exponential = math.exp(logit)
    return exponential / (1.0 + exponential)


def above(p_cloud: float, threshold: float) -> bool:
    """Return whether a score asks for the cloud; both are on one scale. A score on the threshold does not."""
    return p_cloud > threshold


def calibrate_threshold(raw: float, temperature: float) -> float:
    """Return the threshold on the scale sigmoid(z / temperature) that decides as `raw` does on sigmoid(z).

    calibrated = sigmoid(logit(raw) / temperature), logit(p) = log(p / (1 - p)); 0 and 1 stay as they are.

    Raises:
        UsageError: `raw` is outside 0..1 or `temperature` is not positive and finite.
    """
    raw = check_threshold(raw)
    if not (math.isfinite(temperature) and temperature > 0):
        raise UsageError(f"the temperature {temperature} is not positive and finite")
    if raw in (0.0, 1.0):
        return raw
    return sigmoid((math.log(raw) - math.log1p(-raw)) / temperature)


def check_threshold(threshold: float) -> float:
    """Return `threshold` as a float.

    Raises:
        UsageError: it is outside 0..1 or not a number.
    """
    number = real_number(threshold)
    if not 0.0 <= number <= 1.0:
        wrong = "is not a number" if math.isnan(number) else "is outside 0..1"
        raise UsageError(f"the threshold {shown(threshold)} {wrong}", hint="give a probability, such as 0.94")
    return number


def profile_threshold(manifest: Manifest, profile: str | None) -> float:
    """Return the threshold of `profile` (None: the default one) on the scale of the bundle's logits.

    Raises:
        UsageError: the bundle has no such profile.
    """
    name = manifest.default_profile if profile is None else profile
    if not isinstance(name, str):
        raise UsageError(
            f"a profile is named by a text, not by {type(name).__name__}", hint=suggest("", manifest.thresholds)
        )
    if name not in manifest.thresholds:
        raise UsageError(f"no profile {name!r} in bundle {manifest.name!r}", hint=suggest(name, manifest.thresholds))
    threshold = manifest.thresholds[name]
    return threshold.calibrated if manifest.calibration.folded else threshold.raw


def decide(
    logit: float,
    *,
    threshold: float,
    tokens: int,
    truncated: bool,
    engine: str,
    allow_cloud: bool = True,
    call: Call | None = None,
) -> Decision:
    """Return the decision for one logit of the engine; `threshold` is on that logit's scale."""
    call = call or Call()
    p_cloud = sigmoid(logit)
    return Decision(
        target=Target.CLOUD if allow_cloud and above(p_cloud, threshold) else Target.DEVICE,
        p_cloud=p_cloud,
        threshold=threshold,
        margin=p_cloud - threshold,
        tokens=tokens,
        truncated=truncated,
        engine=engine,
        reason=Reason.SCORE if allow_cloud else Reason.PINNED,
        profile=call.profile,
        bundle=call.bundle,
        bundle_version=call.bundle_version,
        logit=logit,
        latency_ms=call.milliseconds,
    )


def decide_without_score(
    *,
    threshold: float,
    tokens: int,
    truncated: bool,
    engine: str,
    fallback: Target | None,
    allow_cloud: bool = True,
    call: Call | None = None,
) -> Decision | None:
    """Return the decision where the engine gave no score, or None where the caller has not said what to do then.

    A forbidden cloud comes before the fallback: the device was the only answer, whatever the score.
    """
    if allow_cloud and fallback is None:
        return None
    call = call or Call()
    return Decision(
        target=fallback if allow_cloud and fallback is not None else Target.DEVICE,
        p_cloud=None,
        threshold=threshold,
        margin=None,
        tokens=tokens,
        truncated=truncated,
        engine=engine,
        reason=Reason.FALLBACK if allow_cloud else Reason.PINNED,
        profile=call.profile,
        bundle=call.bundle,
        bundle_version=call.bundle_version,
        latency_ms=call.milliseconds,
    )


def suggest(name: str, known: Collection[str]) -> str:
    """Return a hint for an unknown `name`: the closest known one, or the list."""
    from difflib import get_close_matches

    close = get_close_matches(name, list(known), n=1)
    listed = ", ".join(known)
    return f"did you mean {close[0]!r}? There are: {listed}" if close else f"there are: {listed}"
