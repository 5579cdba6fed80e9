"""Decide on this machine whether a chat request needs the cloud.

>>> from vibe_router import Router
>>> with Router.load() as router:
...     decision = router.route("hi")
>>> decision.target.value
'device'

Errors are in `vibe_router.errors`; all of them are `VibeRouterError`.
"""

from vibe_router.bundle.bundle import Bundle
from vibe_router.conversation.decision import ChatDecision, ChatState
from vibe_router.conversation.policy import ChatPolicy
from vibe_router.engines.usage import Usage
from vibe_router.errors import VibeRouterError
from vibe_router.policy import Decision, Reason, Target
from vibe_router.router import Router
from vibe_router.version import __version__

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
