"""A few threads that run calls whose callers may stop waiting for them."""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from vibe_router.engines.cancellation import CURRENT_STOP, Stop

T = TypeVar("T")

# How long the interpreter waits at its end for calls that were asked to stop.
_PATIENCE_SECONDS = 1.0


class Job(Generic[T]):
    """One call, waiting or running. Its result is in `future`."""

    def __init__(self, call: Callable[[], T], queue: _Queue) -> None:
        self.future: Future[T] = Future()
        self._call = call
        self._stop = Stop()
        self._queue = queue

    def abandon(self) -> None:
        """Take the call out of the queue, or ask it to stop where it runs; its result is lost either way."""
        self._queue.remove(self)
        self.future.cancel()
        self._stop.set()

    def run(self) -> None:
        """Run the call in this thread."""
        if not self.future.set_running_or_notify_cancel():
            return
        token = CURRENT_STOP.set(self._stop)
        try:
            result = self._call()
        except BaseException as error:  # noqa: BLE001 - raised again where the result is asked for
            self.future.set_exception(error)
            # Else the error's traceback, this frame, the job and the error keep each other alive, and a closed router.
            del self
        else:
            self.future.set_result(result)
        finally:
            CURRENT_STOP.reset(token)


class Workers:
    """At most `count` threads, started when there is work. Abandoned calls that wait cost nothing.

    The threads are daemons: a call that never ends holds neither a caller with a deadline nor the interpreter's end.
    """

    def __init__(self, count: int) -> None:
        self._queue = _Queue(count)
        # Threads know the queue only, so that a router that nobody closed ends them too. Also called at exit.
        self._end = weakref.finalize(self, self._queue.end, patience=_PATIENCE_SECONDS)

    def submit(self, call: Callable[[], T]) -> Job[T]:
        """Have `call` run in one of the threads.

        Raises:
            RuntimeError: the workers have been closed.
        """
        job = Job(call, self._queue)
        self._queue.put(job)
        return job

    def close(self) -> None:
        """Let the threads end: waiting calls are cancelled, running ones asked to stop, and none is waited for."""
        self._end.detach()
        self._queue.end(patience=0)


class _Queue:
    def __init__(self, count: int) -> None:
        self._count = count
        self._changed = threading.Condition()
        self._waiting: deque[Job[Any]] = deque()
        self._running: set[Job[Any]] = set()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._ended = False

    def put(self, job: Job[Any]) -> None:
        with self._changed:
            if self._ended:
                raise RuntimeError("the workers have been closed")
            self._waiting.append(job)
            if self._idle < len(self._waiting) and len(self._threads) < self._count:
                thread = threading.Thread(target=self._work, name="vibe-router", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._changed.notify()

    def remove(self, job: Job[Any]) -> None:
        with self._changed:
            if job in self._waiting:
                self._waiting.remove(job)

    def end(self, *, patience: float) -> None:
        with self._changed:
            self._ended = True
            abandoned = [*self._waiting, *self._running]
            self._waiting.clear()
            self._changed.notify_all()
        for job in abandoned:
            job.abandon()
        until = time.monotonic() + patience
        for thread in self._threads:
            if patience and thread is not threading.current_thread():
                thread.join(max(0.0, until - time.monotonic()))

    def _work(self) -> None:
        while True:
            with self._changed:
                self._idle += 1
                while not (self._waiting or self._ended):
                    self._changed.wait()
                self._idle -= 1
                if self._ended:
                    return
                job = self._waiting.popleft()
                self._running.add(job)
            job.run()
            with self._changed:
                self._running.discard(job)
            # Nothing of a finished call stays alive while the thread waits for the next.
            del job
