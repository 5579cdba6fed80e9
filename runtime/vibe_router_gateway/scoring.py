"""The router as the gateway asks it: one conversation in, a side and its score out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vibe_router import Reason, Router, Target
from vibe_router.errors import PromptError, UsageError
from vibe_router_gateway.config.settings import RouterSettings
from vibe_router_gateway.plan import Scored, Why
from vibe_router_gateway.problems import ApiError

_REASONS = {Reason.SCORE: Why.SCORE, Reason.PINNED: Why.PINNED, Reason.FALLBACK: Why.FALLBACK}


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


async def score(
    router: Router,
    messages: Sequence[dict[str, Any]],
    settings: RouterSettings,
    *,
    profile: str | None,
    allow_cloud: bool,
) -> Scored:
    """Return the side for a conversation; a score that does not come in time is replaced by the fallback.

    Raises:
        ApiError: 400, no such profile, or a text that cannot be tokenized.
    """
    try:
        decision = await router.aroute(
            _last_user_text(messages),
            profile=profile,
            allow_cloud=allow_cloud,
            fallback=Target(settings.fallback),
            timeout=settings.timeout_s,
        )
    except UsageError as error:
        raise ApiError(400, error.message, param="model", code="model_not_found", hint=error.hint) from error
    except PromptError as error:
        raise ApiError(400, error.message, param="messages", hint=error.hint) from error
    return Scored(
        target=decision.target,
        reason=_REASONS[decision.reason],
        p_cloud=decision.p_cloud,
        threshold=decision.threshold,
        tokens=decision.tokens,
        profile=profile or settings.profile or router.bundle.manifest.default_profile,
    )


def _last_user_text(messages: Sequence[dict[str, Any]]) -> str:
    for message in reversed(messages):
        if message.get("role") == "user":
            content = message.get("content")
            if isinstance(content, str):
                return content
            parts = content if isinstance(content, list) else []
            return "\n".join(str(part.get("text") or "") for part in parts if isinstance(part, dict))
    return ""
