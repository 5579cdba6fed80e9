"""Decide on this machine whether a chat request needs the cloud.

>>> from vibe_router import Router
>>> with Router.load() as router:
...     decision = router.route("hi")
>>> decision.target.value
'device'

Errors are in `vibe_router.errors`; all of them are `VibeRouterError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vibe_router.bundle.bundle import Bundle
from vibe_router.engines.usage import Usage
from vibe_router.errors import VibeRouterError
from vibe_router.policy import Decision, Reason, Target
from vibe_router.router import Router
from vibe_router.version import __version__

if TYPE_CHECKING:
    from vibe_router.conversation.decision import ChatDecision, ChatState
    from vibe_router.conversation.policy import ChatPolicy

__all__ = [
    "Bundle",
    "ChatDecision",
    "ChatPolicy",
    "ChatState",
    "Decision",
    "Reason",
    "Router",
    "Target",
    "Usage",
    "VibeRouterError",
    "__version__",
]

# Imported when they are asked for, because a program that routes single prompts needs none of them.
_LATER = {
    "ChatDecision": "vibe_router.conversation.decision",
    "ChatPolicy": "vibe_router.conversation.policy",
    "ChatState": "vibe_router.conversation.decision",
}


def __getattr__(name: str) -> object:
    """Return one of the names that are imported when they are asked for."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LATER[name]), name)
