"""What a router is loaded for, and what that means for an engine."""

from __future__ import annotations

from enum import Enum


class Usage(Enum):
    """How often a loaded router routes.

    REPEATEDLY is for an application: it pays at load for what makes every prompt fast. ONCE is for a process that
    routes a few prompts and ends, such as a command line: it is ready soonest, and each prompt takes longer.
    """

    REPEATEDLY = "repeatedly"
    ONCE = "once"
