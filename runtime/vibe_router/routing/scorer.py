"""An engine as many callers share it: checked logits, a few calls at a time, and none longer than its caller waits."""

from __future__ import annotations

import math
import os
import queue
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from vibe_router.errors import DeadlineError, EngineError, VibeRouterError
from vibe_router.routing.deadline import NO_DEADLINE, Deadline
from vibe_router.routing.turns import Turn, Turns

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vibe_router.engines.protocol import Engine
    from vibe_router.routing.workers import Job, Workers
    from vibe_router.text.protocol import Prompt

T = TypeVar("T")


def score(engine: Engine, sequences: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
    """Return the engine's logits, float32 [n], of n sequences int64 [tokens], checked: one finite number for each.

    Raises:
        EngineError: the engine failed in whatever way, or gave anything else.
    """
    import numpy as np

    logits = _computed(engine, lambda: np.asarray(engine.logits(sequences)))
    # A finite logit is a score, because the sigmoid of any finite number lies within 0..1.
    if logits.dtype.kind != "f" or logits.shape != (len(sequences),) or not np.isfinite(logits).all():
        raise _no_logits(engine)
    return logits.astype(np.float32, copy=False)


def score_prompts(engine: Engine, prompts: Sequence[Prompt], *, alone: bool = False) -> list[float]:
    """Return what `score` returns for the ids of the prompts, without numpy where the engine can do without it.

    `alone` asks an engine with `batches_at_once` to compute in this thread only.

    Raises:
        EngineError: as `score`.
    """
    by_prompt: Callable[..., list[float]] | None = getattr(engine, "prompt_logits", None)
    if by_prompt is None:
        logits: list[float] = score(engine, [prompt.ids for prompt in prompts]).tolist()
        return logits
    logits = _computed(engine, lambda: by_prompt(prompts, alone=alone))
    if len(logits) != len(prompts) or not all(map(math.isfinite, logits)):
        raise _no_logits(engine)
    return logits


def _computed(engine: Engine, call: Callable[[], T]) -> T:
    try:
        return call()
    except VibeRouterError:
        raise
    except Exception as error:
        raise EngineError(f"the engine {engine.name} failed with {type(error).__name__}") from error


def _no_logits(engine: Engine) -> EngineError:
    return EngineError(
        f"the engine {engine.name} gave something that is not one finite logit a prompt",
        hint="run `vibe-router verify` on this bundle",
    )


class Scorer:
    """Scores from any thread. Its threads and locks belong to one process: a forked child makes its own scorer."""

    def __init__(self, engine: Engine, *, at_once: int) -> None:
        """`at_once` bounds the engine calls that run at a time, and with them the memory of activations."""
        self.engine = engine
        self.process = os.getpid()
        self.closed = False
        self._at_once = at_once
        self._turns = Turns(at_once)
        self._free = self._turns.free
        self._lock = threading.Lock()
        self._workers: Workers | None = None

    def logits(self, prompts: Sequence[Prompt], *, deadline: Deadline) -> list[float]:
        """Return one logit a prompt, scored together.

        With a deadline a thread of the scorer's own runs the engine, so that even a call that never ends does not
        hold the caller. It is asked to stop, and counts as one of the calls at a time until it has.

        Raises:
            DeadlineError: the time was up first.
            EngineError: the engine failed, or has been closed.
        """
        if deadline is NO_DEADLINE or deadline.remaining() is None:
            return self.logits_here(prompts, deadline=NO_DEADLINE)
        if deadline.passed:
            raise DeadlineError.passed()
        job = self.submit(lambda: self.logits_here(prompts, deadline=deadline))
        try:
            ended = job.wait(deadline.remaining())
        except BaseException:
            job.abandon()
            raise
        if not ended:
            job.abandon()
            raise DeadlineError.passed()
        try:
            return job.result()
        finally:
            # Otherwise an error's traceback, this frame, the job and the error keep each other alive.
            del job

    @property
    def batches_at_once(self) -> int:
        """How many batches are best scored at a time, each by one thread; 1: one after the other, by all threads."""
        # One call at a time is left for others.
        return max(1, min(getattr(self.engine, "batches_at_once", 1), self._at_once - 1))

    def logits_here(self, prompts: Sequence[Prompt], *, deadline: Deadline, alone: bool = False) -> list[float]:
        """Return what `logits` returns, but run the engine in this thread; the deadline bounds the wait for a turn.

        `alone` as in `score_prompts`.

        Raises:
            DeadlineError: the turn did not come in time, or the engine failed or was stopped after the time was up.
            EngineError: the engine failed.
        """
        turn: Turn | None
        try:
            turn = self._free.get_nowait()
        except queue.Empty:
            turn = self._turns.take(None if deadline is NO_DEADLINE else deadline.remaining())
            if turn is None:
                raise DeadlineError.passed() from None
        try:
            return score_prompts(self.engine, prompts, alone=alone)
        except EngineError as error:
            if deadline.passed:
                raise DeadlineError.passed() from error
            raise
        finally:
            self._free.put(turn)

    def submit(self, call: Callable[[], T], *, when_done: Callable[[], object] | None = None) -> Job[T]:
        """Have one of the scorer's threads run `call`, and `when_done` after it.

        Raises:
            EngineError: the scorer has been closed, or the system gives no thread.
        """
        from vibe_router.routing.workers import Workers

        if self.closed:
            raise EngineError.closed()
        # No lock, because an exception between two lines could leave it held. The first to be set is everybody's.
        workers = self._workers or self.__dict__.setdefault("_made", Workers(self._at_once))
        self._workers = workers
        return workers.submit(call, when_done=when_done)

    def close(self) -> None:
        """Let the threads end and the engine release its memory; nobody is waited for."""
        self.closed = True
        if self._workers is not None:
            self._workers.close()
        self.engine.close()


class ProcessScorer:
    """Gives the scorer of the process that runs now, because a forked child cannot use its parent's threads."""

    def __init__(self, engine: Engine, *, at_once: int, reload: Callable[[], Engine] | None) -> None:
        """`reload` loads the engine again for a forked child; None means that the engine itself serves there too."""
        self._at_once = at_once
        self._reload = reload
        self._scorer = Scorer(engine, at_once=at_once)
        self._inherited: list[Scorer] = []
        self._forked: dict[int, threading.Lock] = {}

    def here(self) -> Scorer:
        """Return this process's scorer: a child forked from the one that made it makes another.

        Where the engine cannot be loaded again, every call of that scorer fails with the reason.
        """
        scorer = self._scorer
        if scorer.process == os.getpid() or scorer.closed:
            return scorer
        # A lock that this process made: a thread that is not here may hold one of the parent's for ever.
        with self._forked.setdefault(os.getpid(), threading.Lock()):
            if self._scorer is scorer:
                # Keep a reference: destroying it would join threads that this child does not have.
                self._inherited.append(scorer)
                self._scorer = Scorer(self._engine_of_child(scorer.engine), at_once=self._at_once)
        return self._scorer

    def _engine_of_child(self, inherited: Engine) -> Engine:
        from vibe_router.engines.absent import AbsentEngine

        try:
            return inherited if self._reload is None else self._reload()
        except VibeRouterError as error:
            return AbsentEngine(inherited, error)

    def close(self) -> None:
        """Release the engine's memory; what a forked child inherited is its parent's to release."""
        if self._scorer.process == os.getpid():
            self._scorer.close()
        else:
            self._scorer.closed = True
