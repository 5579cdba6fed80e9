"""A few threads that run calls whose callers may stop waiting for them.

A signal handler may raise in the main thread between any two instructions of a caller. So each thing that a caller does
here is one operation of C (append, remove, ring, start a thread, wait for a lock), leaving nothing half done, and what
takes several steps is done by the threads themselves, in which no signal handler runs.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import queue
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from vibe_router.engines.cancellation import CURRENT_STOP, Stop
from vibe_router.errors import EngineError

T = TypeVar("T")

# How long the interpreter waits at its end for calls that were asked to stop.
_PATIENCE_SECONDS = 1.0


class Job(Generic[T]):
    """One call, waiting or running. One thread may wait for it."""

    def __init__(self, call: Callable[[], T], queue: _Queue, when_done: Callable[[], object] | None) -> None:
        self.finished = False
        self.abandoned = False
        self._call = call
        self._when_done = when_done
        self._stop = Stop()
        self._queue = queue
        self._results: list[T] = []
        self._error: BaseException | None = None
        self._ended = threading.Lock()
        self._ended.acquire()

    def wait(self, seconds: float | None) -> bool:
        """Return whether the call has ended within `seconds`, or was abandoned; None means without a limit."""
        return self.finished or self._ended.acquire(timeout=-1 if seconds is None else seconds)

    def result(self) -> T:
        """Return the result of a call that has ended, or raise its error.

        Raises:
            EngineError: it was abandoned before it ran.
        """
        # Taken out and forgotten here. Otherwise the error's traceback, its frames, the job and the error keep each
        # other alive, and with them a closed router.
        error, self._error = self._error, None
        try:
            if error is not None:
                raise error
        finally:
            del error
        if not self._results:
            raise EngineError.closed()
        return self._results[0]

    def abandon(self) -> None:
        """Take the call out of the queue, or ask it to stop where it runs; its result is lost either way."""
        self.abandoned = True
        self._queue.remove(self)
        self._stop.set()

    def run(self) -> None:
        """Run the call in this thread."""
        if not self.abandoned:
            token = CURRENT_STOP.set(self._stop)
            try:
                self._results.append(self._call())
            except BaseException as error:  # noqa: BLE001 - raised again where the result is asked for
                self._error = error
            finally:
                CURRENT_STOP.reset(token)
        self._end()

    def drop(self) -> None:
        """End without having run."""
        self.abandoned = True
        self._end()

    def _end(self) -> None:
        self.finished = True
        self._ended.release()
        if self._when_done is not None:
            self._when_done()


class Workers:
    """At most `count` threads, started when there is work. Abandoned calls that wait cost nothing.

    The threads are daemons: a call that never ends holds neither a caller with a deadline nor the interpreter's end.
    """

    def __init__(self, count: int) -> None:
        self._queue = _Queue(count)
        # Threads know the queue only, so that a router that nobody closed ends them too. Also called at exit.
        self._end = weakref.finalize(self, self._queue.end, patience=_PATIENCE_SECONDS)

    def submit(self, call: Callable[[], T], *, when_done: Callable[[], object] | None = None) -> Job[T]:
        """Have `call` run in one of the threads, and `when_done` after it, in the same thread.

        Raises:
            EngineError: the workers have been closed, or the system gives no thread.
        """
        job = Job(call, self._queue, when_done)
        self._queue.put(job)
        return job

    def close(self) -> None:
        """Let the threads end: waiting calls are cancelled, running ones asked to stop, and none is waited for."""
        self._end.detach()
        self._queue.end(patience=0)


class _Seat:
    """A thread's place among at most `count`: the job that it runs, and a lock that is free once it has ended."""

    def __init__(self) -> None:
        self.job: Job[Any] | None = None
        self.ended = threading.Lock()
        self.ended.acquire()


class _Queue:
    """Jobs, and the threads that take them. Only the threads take the lock, and change what it guards."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._process = os.getpid()
        self._waiting: deque[Job[Any]] = deque()
        # A bell wakes one thread, which takes jobs until there are none.
        self._bells: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._ended = False
        self._lock = threading.Lock()
        self._seats: tuple[_Seat, ...] = ()

    def put(self, job: Job[Any]) -> None:
        self._waiting.append(job)
        if self._ended:
            self.remove(job)
            raise EngineError.closed()
        # As many bells as threads wake them all; with more, calls that nobody waits for would cost memory.
        if self._bells.qsize() < self._count:
            self._bells.put(None)
        try:
            self._start_if_needed()
        except RuntimeError as error:
            if not self._seats:
                self.remove(job)
                raise EngineError("the system gives no thread", hint="raise its limit of threads") from error

    def remove(self, job: Job[Any]) -> None:
        with contextlib.suppress(ValueError):
            self._waiting.remove(job)

    def end(self, *, patience: float) -> None:
        # A forked child has none of the threads, and one of them may have held a lock at the fork.
        if os.getpid() != self._process:
            return
        self._ended = True
        seats = self._seats
        with contextlib.suppress(IndexError):
            while True:
                self._waiting.popleft().drop()
        for seat in seats:
            running = seat.job
            if running is not None:
                running.abandon()
        for _ in range(self._count):
            self._bells.put(None)
        until = time.monotonic() + patience
        for seat in seats if patience else ():
            seat.ended.acquire(timeout=max(0.0, until - time.monotonic()))

    def _start_if_needed(self) -> None:
        """Start a thread where more calls wait than threads are idle. One too many ends at once.

        Raises:
            RuntimeError: the system gives none.
        """
        seats = self._seats
        if len(seats) < self._count and len(self._waiting) > sum(seat.job is None for seat in seats):
            # Not `threading.Thread` itself, whose start takes several steps in the caller's thread.
            _thread.start_new_thread(self._start, ())

    def _start(self) -> None:
        try:
            threading.Thread(target=self._work, name="vibe-router", daemon=True).start()
        except RuntimeError:
            self._work()

    def _work(self) -> None:
        seat = _Seat()
        with self._lock:
            if len(self._seats) >= self._count or self._ended:
                return
            self._seats = (*self._seats, seat)
        try:
            while not self._ended:
                self._take(seat)
                self._bells.get()
        finally:
            with self._lock:
                self._seats = tuple(one for one in self._seats if one is not seat)
            seat.ended.release()

    def _take(self, seat: _Seat) -> None:
        """Run jobs until none waits."""
        while not self._ended:
            try:
                job = self._waiting.popleft()
            except IndexError:
                return
            seat.job = job
            # Before this thread had a job, a caller may have started none for the next one.
            with contextlib.suppress(RuntimeError):
                self._start_if_needed()
            job.run()
            seat.job = None
            # Nothing of a finished call stays alive while the thread waits for the next.
            del job
