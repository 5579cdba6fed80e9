"""The decision for one request, in one place and without I/O: which side, why, and who answers when it cannot.

In this order: a forbidden cloud, the name of the model, what the request needs, the router's score, the budget.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from vibe_router.policy import Target
from vibe_router_gateway.asked import Asked
from vibe_router_gateway.config.settings import FaultSettings, SideSettings, Upstream
from vibe_router_gateway.problems import ApiError, cloud_forbidden


class Why(str, Enum):
    """Why a request goes to its side; sent in x-vibe-reason and kept in the log."""

    SCORE = "score"
    """The score was compared with the threshold."""
    MODEL = "model"
    """The client named the side or its model."""
    PINNED = "pinned"
    """The client, or the settings, forbid the cloud."""
    REQUIRED = "required"
    """Only this side has the tools, vision, hearing or context that the request needs."""
    ONLY = "only"
    """The other side is not configured."""
    BUDGET = "budget"
    """The score asked for the cloud, whose budget for the day is spent."""
    HELD = "held"
    """The conversation stays on its side."""
    FALLBACK = "fallback"
    """There is no score."""


@dataclass(frozen=True, kw_only=True)
class Scored:
    """What the router says of a conversation; `p_cloud` None where there is no score."""

    target: Target
    reason: Why
    p_cloud: float | None
    threshold: float
    tokens: int
    profile: str
    held_out: bool | None = None
    """As in the log."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """`tries` in their order, at least one; `model` is the name that the first is asked by, None for its default."""

    reason: Why
    tries: tuple[Upstream, ...]
    model: str | None
    scored: Scored | None

    @property
    def target(self) -> Target:
        """The side that is asked first."""
        return self.tries[0].side


def plan_named(upstream: Upstream, asked: Asked, *, model: str | None, cloud_allowed: bool, budget_left: bool) -> Plan:
    """Return the plan for a request that names its side; a name is obeyed or refused, never replaced.

    Raises:
        ApiError: 403, the cloud is forbidden; 429, its budget is spent.
    """
    if upstream.side is Target.CLOUD:
        if not cloud_allowed:
            raise cloud_forbidden(f"the model {asked.model!r} is in the cloud")
        if not budget_left:
            raise budget_spent()
    return Plan(reason=Why.MODEL, tries=(upstream,), model=model, scored=None)


def plan_held(upstream: Upstream, *, cloud_allowed: bool, budget_left: bool) -> Plan:
    """Return the plan for a request that goes on from an answer which only this side has.

    Raises:
        ApiError: 403, the cloud is forbidden; 429, its budget is spent.
    """
    if upstream.side is Target.CLOUD:
        if not cloud_allowed:
            raise cloud_forbidden("the answer that this request goes on from is in the cloud")
        if not budget_left:
            raise budget_spent()
    return Plan(reason=Why.HELD, tries=(upstream,), model=None, scored=None)


def plan_scored(
    upstreams: tuple[Upstream, ...],
    asked: Asked,
    scored: Scored,
    *,
    faults: FaultSettings,
    cloud_allowed: bool,
    budget_left: bool,
) -> Plan:
    """Return the plan for a request that leaves the choice to the router.

    Raises:
        ApiError: 400 or 403, no allowed side has what the request needs; 429, only the cloud has it and its budget is
            spent.
    """
    allowed = tuple(item for item in upstreams if cloud_allowed or item.side is Target.DEVICE)
    if not allowed:
        raise cloud_forbidden("no device is configured")
    able = tuple(item for item in allowed if not lacking(item.settings, asked))
    if not able:
        lacks = " and ".join(lacking(allowed[0].settings, asked))
        if len(allowed) < len(upstreams):
            raise cloud_forbidden(f"the device has no {lacks}")
        raise ApiError(400, f"no side has {lacks}", code="unsupported", hint="Set it in the settings of a side")
    affordable = tuple(item for item in able if budget_left or item.side is Target.DEVICE)
    if not affordable:
        raise budget_spent()
    first = next((item for item in affordable if item.side is scored.target), affordable[0])
    reason = scored.reason
    if not cloud_allowed:
        reason = Why.PINNED
    elif first.side is not scored.target:
        reason = _overruled(scored.target, upstreams, able)
    kinds = faults.device_to_cloud if first.side is Target.DEVICE else faults.cloud_to_device
    others = tuple(item for item in affordable if item is not first) if kinds else ()
    return Plan(reason=reason, tries=(first, *others), model=None, scored=scored)


def lacking(side: SideSettings, asked: Asked) -> list[str]:
    """Return in words what the request needs and the side lacks."""
    return [
        name
        for name, missing in (
            ("tools", asked.needs_tools and not side.tools),
            ("vision", asked.needs_vision and not side.vision),
            ("audio", asked.needs_audio and not side.audio),
            (f"context of {asked.tokens} tokens", 0 < side.context_tokens < asked.tokens),
        )
        if missing
    ]


def budget_spent() -> ApiError:
    """Return the refusal of a request that only the cloud may answer when its budget is spent."""
    return ApiError(
        429,
        "the day's budget for the cloud is spent",
        kind="insufficient_quota",
        code="budget_spent",
        hint="It begins again at midnight UTC; requests to the device go on",
        may_retry=False,
    )


def _overruled(wanted: Target, upstreams: tuple[Upstream, ...], able: tuple[Upstream, ...]) -> Why:
    """Return why the wanted side does not answer."""
    if all(item.side is not wanted for item in upstreams):
        return Why.ONLY
    return Why.REQUIRED if all(item.side is not wanted for item in able) else Why.BUDGET
