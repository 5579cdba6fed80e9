"""An engine as many callers share it: a few calls at a time, and none longer than its caller waits."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from vibe_router.engines.protocol import Engine
from vibe_router.errors import DeadlineError, EngineError
from vibe_router.routing.batching import pad, score
from vibe_router.routing.deadline import NO_DEADLINE, Deadline

if TYPE_CHECKING:
    from vibe_router.routing.workers import Job, Workers

T = TypeVar("T")


class Scorer:
    """Scores from any thread. What lies in here belongs to one process: a forked child makes its own."""

    def __init__(self, engine: Engine, *, pad_token_id: int, at_once: int) -> None:
        """`at_once` bounds the engine calls that run at a time, and with them the memory of activations."""
        self.engine = engine
        self.process = os.getpid()
        self.closed = False
        self._pad_token_id = pad_token_id
        self._at_once = at_once
        self._slots = threading.Semaphore(at_once)
        self._lock = threading.Lock()
        self._workers: Workers | None = None

    def logits(self, sequences: Sequence[NDArray[np.int64]], *, deadline: Deadline) -> NDArray[np.float32]:
        """Return the logits, float32 [len(sequences)], of sequences int64 [tokens], scored together.

        With a deadline a thread of the scorer's own runs the engine, so that even a call that never ends does not
        hold the caller. It is asked to stop, and counts as one of the calls at a time until it has.

        Raises:
            DeadlineError: the time was up first.
            EngineError: the engine failed, or has been closed.
        """
        if deadline.remaining() is None:
            return self.logits_here(sequences, deadline=NO_DEADLINE)
        if deadline.passed:
            raise DeadlineError.passed()
        import concurrent.futures

        job = self.submit(lambda: self.logits_here(sequences, deadline=deadline))
        try:
            finished = bool(concurrent.futures.wait([job.future], timeout=deadline.remaining()).done)
        except BaseException:
            job.abandon()
            raise
        if not finished:
            job.abandon()
            raise DeadlineError.passed()
        if job.future.cancelled():
            raise EngineError.closed()
        try:
            return job.future.result()
        finally:
            # Else an error's traceback, this frame, the job and the error keep each other alive.
            del job

    def logits_here(self, sequences: Sequence[NDArray[np.int64]], *, deadline: Deadline) -> NDArray[np.float32]:
        """Return what `logits` returns, but run the engine in this thread; the deadline bounds the wait for a turn.

        Raises:
            DeadlineError: the turn did not come in time, or the engine failed or was stopped after the time was up.
            EngineError: the engine failed.
        """
        input_ids, attention_mask = pad(sequences, pad_token_id=self._pad_token_id)
        if not self._slots.acquire(timeout=deadline.remaining()):
            raise DeadlineError.passed()
        try:
            return score(self.engine, input_ids, attention_mask)
        except EngineError as error:
            if deadline.passed:
                raise DeadlineError.passed() from error
            raise
        finally:
            self._slots.release()

    def submit(self, call: Callable[[], T]) -> Job[T]:
        """Have one of the scorer's threads run `call`.

        Raises:
            EngineError: the scorer has been closed.
        """
        from vibe_router.routing.workers import Workers

        with self._lock:
            if self.closed:
                raise EngineError.closed()
            if self._workers is None:
                self._workers = Workers(self._at_once)
            return self._workers.submit(call)

    def close(self) -> None:
        """Let the threads end and the engine release its memory; nobody is waited for."""
        with self._lock:
            self.closed = True
            if self._workers is not None:
                self._workers.close()
        self.engine.close()
