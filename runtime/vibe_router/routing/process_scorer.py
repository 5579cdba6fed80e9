"""A scorer in whatever process asks for it: a forked child cannot use its parent's threads, and makes its own."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vibe_router.engines.protocol import Engine
    from vibe_router.routing.scorer import Scorer


class ProcessScorer:
    """Gives the scorer of the process that runs now."""

    def __init__(self, engine: Engine, *, pad_token_id: int, at_once: int, again: Callable[[], Engine] | None) -> None:
        """`again` makes the engine of a forked child; None means that the engine itself serves there too."""
        self._pad_token_id = pad_token_id
        self._at_once = at_once
        self._again = again
        self._scorer = self._make(engine)
        self._inherited: list[Scorer] = []
        self._forked: dict[int, threading.Lock] = {}

    def here(self) -> Scorer:
        """Return this process's scorer: a child forked from the one that made it makes another.

        Raises:
            BundleCorruptError: the bundle has been altered since it was loaded.
            EngineError: the engine cannot be made again.
        """
        scorer = self._scorer
        if scorer.process == os.getpid() or scorer.closed:
            return scorer
        # A lock that this process made: one of the parent's may be held for ever by a thread that is not here.
        with self._forked.setdefault(os.getpid(), threading.Lock()):
            if self._scorer is scorer:
                # Kept, for to destroy it would mean to wait for threads that are not here.
                self._inherited.append(scorer)
                self._scorer = self._make(self._again() if self._again else scorer.engine)
        return self._scorer

    def close(self) -> None:
        """Release the engine's memory; what a forked child inherited is its parent's to release."""
        if self._scorer.process == os.getpid():
            self._scorer.close()
        else:
            self._scorer.closed = True

    def _make(self, engine: Engine) -> Scorer:
        # The engine has imported numpy by now; whoever only imports the router has not.
        from vibe_router.routing.scorer import Scorer

        return Scorer(engine, pad_token_id=self._pad_token_id, at_once=self._at_once)
