"""How many engine calls run at a time, counted so that an exception at any instruction costs no turn for good."""

from __future__ import annotations

import queue
import time
import weakref

# How often a call that waits looks for turns that were lost.
_SECONDS = 1.0


class Turn:
    """The right to run the engine. It belongs to whoever refers to it."""


class Turns:
    """`count` turns, in `free` while no call has them: take one with `get_nowait`, or wait with `take`; `put` it back.

    One that nobody refers to any more, because a signal handler raised, is made anew.
    """

    def __init__(self, count: int) -> None:
        self.free: queue.SimpleQueue[Turn] = queue.SimpleQueue()
        self._count = count
        self._all: list[weakref.ref[Turn]] = []
        for _ in range(count):
            turn = Turn()
            self._all.append(weakref.ref(turn))
            self.free.put(turn)

    def take(self, seconds: float | None) -> Turn | None:
        """Return a turn, or None where none was free within `seconds`; None means to wait without a limit."""
        until = None if seconds is None else time.monotonic() + seconds
        while True:
            self._replace_lost()
            left = _SECONDS if until is None else min(_SECONDS, until - time.monotonic())
            try:
                return self.free.get(timeout=left) if left > 0 else self.free.get_nowait()
            except queue.Empty:
                if until is not None and time.monotonic() >= until:
                    return None

    def _replace_lost(self) -> None:
        # Without a lock, which an exception could leave held. Two callers at once may make a turn too many.
        self._all = [one for one in self._all if one() is not None]
        for _ in range(self._count - len(self._all)):
            turn = Turn()
            self._all.append(weakref.ref(turn))
            self.free.put(turn)
