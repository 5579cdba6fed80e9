"""Cancellation of an engine's call."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar


class Stop:
    """A request that one thread makes once and the thread that runs the engine obeys when it can."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_set = False
        self._actions: list[Callable[[], None]] = []

    @property
    def is_set(self) -> bool:
        """Whether the request has been made."""
        return self._is_set

    def set(self) -> None:
        """Make the request: call the actions, now and once."""
        with self._lock:
            self._is_set = True
            actions, self._actions = self._actions, []
        for action in actions:
            action()

    def when_set(self, action: Callable[[], None]) -> None:
        """Have `action` called when the request is made, at once where it has been made already."""
        with self._lock:
            if not self._is_set:
                self._actions.append(action)
                return
        action()


CURRENT_STOP: ContextVar[Stop | None] = ContextVar("vibe_router_stop", default=None)
"""What may stop the engine call that this thread makes; None where nobody will ask."""
