"""The router as the gateway asks it: one conversation in, a side and its score out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vibe_router import ChatDecision, ChatPolicy, Reason, Router, Target
from vibe_router.bundle.manifest import Manifest
from vibe_router.conversation.messages import text_of
from vibe_router.errors import EngineError, PromptError, UsageError
from vibe_router_gateway.config.settings import RouterSettings, Settings
from vibe_router_gateway.plan import Scored, Why
from vibe_router_gateway.problems import ApiError

_REASONS = {
    Reason.SCORE: Why.SCORE,
    Reason.PINNED: Why.PINNED,
    Reason.FALLBACK: Why.FALLBACK,
    Reason.HELD: Why.HELD,
    Reason.REQUIRED: Why.REQUIRED,
}
_NO_LIMIT = 2**40
_SHORT_CHARACTERS = 200
_SHORT_MESSAGES = 20
_QUICK_S = 0.0015
"""A quicker score is computed in the event loop itself, because a thread costs a quarter of a millisecond."""


@dataclass(frozen=True)
class Sampling:
    """What `calibrate --from-log` needs in addition to a score, from the tools that calibrate.

    `identify` names what gave a score; `is_held_out` says on which side of calibration's split a text is. Only this
    one bit of the text is kept.
    """

    identify: Callable[[Manifest], str]
    is_held_out: Callable[[str], bool]


def load_router(settings: RouterSettings) -> Router:
    """Return the router that the settings name.

    Raises:
        VibeRouterError: as `Router.load`.
    """
    return Router.load(
        settings.bundle or None,
        engine=settings.engine,
        threads=settings.threads or None,
        profile=settings.profile or None,
    )


def chat_policy(settings: Settings) -> ChatPolicy:
    """Return the policy for conversations, with what the device's model can do."""
    device = settings.device
    return ChatPolicy(
        device_context=device.context_tokens or _NO_LIMIT,
        device_tools=device.tools,
        device_vision=device.vision,
        device_audio=device.audio,
    )


@dataclass
class Loop:
    """Whether a score may be computed in the event loop: the router is quick, and no thread holds its engine."""

    quick: bool
    in_threads: int = 0
    """Scores that threads are computing; the event loop would stand still while it waits for a long one."""

    def may_score(self, messages: Sequence[Mapping[str, Any]], *, timeout_s: float) -> bool:
        """Return whether a score of these messages holds the loop for about a millisecond at most."""
        return self.quick and not self.in_threads and timeout_s > 10 * _QUICK_S and _is_short(messages)


def scores_quickly(router: Router) -> bool:
    """Return whether the router scores a short text sooner than another request would notice, as the bundled one does.

    The scores also make the first request as quick as the others.
    """
    took = []
    for number in range(3):
        started = time.perf_counter()
        router.route(f"{number} " + "word " * (_SHORT_CHARACTERS // 5), fallback=Target.DEVICE)
        took.append(time.perf_counter() - started)
    return min(took) < _QUICK_S


async def score(
    router: Router,
    messages: Sequence[Mapping[str, Any]],
    settings: RouterSettings,
    loop: Loop,
    *,
    profile: str | None,
    allow_cloud: bool,
    tools: Sequence[object] | None = None,
    policy: ChatPolicy | None = None,
    sampling: Sampling | None = None,
) -> Scored:
    """Return the side for a conversation; a score that does not come in time is replaced by the fallback.

    Where `loop` allows it, a short conversation is scored without another thread.

    Raises:
        ApiError: 400, no such profile, or messages that cannot be read or tokenized; 503, the router is closed.
    """
    fallback = Target(settings.fallback)
    try:
        if loop.may_score(messages, timeout_s=settings.timeout_s):
            decided = router.route_chat(
                messages, profile=profile, allow_cloud=allow_cloud, fallback=fallback, tools=tools, policy=policy
            )
        else:
            loop.in_threads += 1
            try:
                decided = await router.aroute_chat(
                    messages,
                    profile=profile,
                    allow_cloud=allow_cloud,
                    fallback=fallback,
                    timeout=settings.timeout_s,
                    tools=tools,
                    policy=policy,
                )
            finally:
                loop.in_threads -= 1
    except UsageError as error:
        raise ApiError(400, error.message, param="model", code="model_not_found", hint=error.hint) from error
    except PromptError as error:
        raise ApiError(400, error.message, param="messages", hint=error.hint) from error
    except EngineError as error:
        raise ApiError(503, error.message, kind="server_error", code="no_score", may_retry=True) from error
    decision = decided.decision
    held_out = None
    if sampling is not None and decided.scored:
        held_out = sampling.is_held_out(_scored_text(decided, messages))
    return Scored(
        target=decision.target,
        reason=_REASONS[decision.reason],
        p_cloud=decision.p_cloud,
        threshold=decision.threshold,
        tokens=decision.tokens,
        profile=profile or settings.profile or router.bundle.manifest.default_profile,
        held_out=held_out,
    )


def _is_short(messages: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether all text together is short, in few messages; parts of other kinds count as long."""
    if len(messages) > _SHORT_MESSAGES:
        return False
    texts = [content for message in messages if isinstance(content := message.get("content"), str)]
    return len(texts) == len(messages) and sum(len(text) for text in texts) <= _SHORT_CHARACTERS


def _scored_text(decided: ChatDecision, messages: Sequence[Mapping[str, Any]]) -> str:
    return "\n".join(text_of(messages[span.message])[span.start : span.end] for span in decided.scored)
