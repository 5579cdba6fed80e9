"""The use that a router is loaded for, and its consequences for an engine."""

from __future__ import annotations

from enum import Enum


class Usage(Enum):
    """How often a loaded router routes.

    REPEATEDLY is for an application: it pays at load for what makes every prompt fast. ONCE is for a process that
    routes a few prompts and ends, such as a command line: it is ready soonest, and each prompt takes longer. With the
    native engine it needs neither numpy nor `tokenizers`, whose imports take longer than all the rest.
    BACKGROUND is for batch work next to an app: one thread that never spins, of low priority with the native engine
    (nice 10 on Linux, the quality of service "utility" on macOS). Options for the number of threads are ignored.
    """

    REPEATEDLY = "repeatedly"
    ONCE = "once"
    BACKGROUND = "background"
