"""The scores of a chunk's prompts, in batches: several at a time, each by one thread, or one after the other.

An engine with several threads computes one prompt with all of them. Many prompts are done sooner if every thread
computes batches of its own, because threads do not wait for each other within a batch, and compute while the caller
reads further prompts. `batches_at_once` of an engine says how many it takes; its logits have the same bits in any
batch.
"""

from __future__ import annotations

import os
import queue
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from vibe_router.errors import DeadlineError, EngineError

if TYPE_CHECKING:
    from vibe_router.routing.deadline import Deadline
    from vibe_router.routing.scorer import Scorer
    from vibe_router.routing.workers import Job
    from vibe_router.text.protocol import Prompt

    Batch = list[tuple[int, Prompt]]

# Where a CPU's throughput is highest, from nano to base: fewer tokens leave it waiting for weights, more no longer fit
# into its caches. docs/speed.md has the measurement.
_TOKEN_BUDGET = 256
# So many prompts are handed to other threads together: enough for batches of similar lengths.
_PORTION = 128
# How often a caller that waits looks whether anybody helps.
_SECONDS = 0.1


class Scoring:
    """The prompts of one chunk and their logits. It belongs to the thread that made it, its caller.

    The caller scores as well, and other threads help: where the scorer has none to spare, the caller scores every batch
    itself. With a deadline the caller only waits, because an engine that never ends must not hold it.
    """

    def __init__(self, scorer: Scorer, deadline: Deadline, *, until_failure: bool) -> None:
        """With `until_failure`, nothing more is scored once the engine has failed."""
        self.logits: dict[int, float] = {}
        """By place; prompts of a batch at which the engine failed have none."""
        self.failure: EngineError | None = None
        self._scorer = scorer
        self._deadline = deadline
        self._until_failure = until_failure
        self._only_waits = deadline.remaining() is not None
        at_once = scorer.batches_at_once
        self._helpers = at_once if self._only_waits and at_once > 1 else at_once - 1
        self._added: Batch = []
        self._batches: queue.SimpleQueue[Batch] = queue.SimpleQueue()
        self._scored: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._given = 0
        self._jobs: list[Job[None]] = []
        self._helping: set[object] = set()

    def add(self, place: int, prompt: Prompt) -> None:
        """Have a prompt scored until `finish` ends."""
        self._added.append((place, prompt))
        if self._helpers and len(self._added) >= _PORTION and not self._is_inherited():
            self._hand_over(self._taken())

    def finish(self) -> None:
        """Return when all prompts are scored, or nothing more is."""
        if self._is_inherited():
            return
        rest = self._taken()
        if not self._given and (not self._helpers or len(rest) < 2):
            for batch in rest:
                self._score(batch, alone=False)
            return
        self._hand_over(rest)
        if not self._only_waits:
            self._work()
        self._wait()
        # A job refers to this object: together they would keep the router until the next collection of garbage.
        self._jobs = []

    def give_up(self, reason: EngineError | None = None) -> None:
        """Score no more, and ask what runs to stop."""
        self._until_failure, self.failure = True, reason or EngineError.closed()
        for job in self._jobs:
            job.abandon()
        self._jobs = []

    def _is_inherited(self) -> bool:
        """Whether whoever gave the prompts has forked meanwhile, and this is the child.

        It has neither the threads nor the engine; its own engine decides what has no logit yet, prompt by prompt.
        """
        return self._scorer.process != os.getpid()

    def _wait(self) -> None:
        """Return when all batches have been scored, or the time is up."""
        while self._given:
            left = self._deadline.remaining()
            try:
                self._scored.get(timeout=None if left is None else min(max(left, 0.0), _SECONDS))
                self._given -= 1
            except queue.Empty:
                if self._deadline.passed:
                    self.give_up(DeadlineError.passed())
                    return
                if all(job.finished for job in self._jobs):
                    # None is alive, whatever it still has a place for: the scorer was closed.
                    self._helping.clear()
                    if not self._find_helpers(self._helpers):
                        return

    def _taken(self) -> list[Batch]:
        added, self._added = self._added, []
        return [[added[index] for index in batch] for batch in batches([prompt.tokens for _, prompt in added])]

    def _hand_over(self, made: Sequence[Batch]) -> None:
        self._given += len(made)
        for batch in made:
            self._batches.put(batch)
        self._find_helpers(min(self._helpers, len(made)))

    def _find_helpers(self, wanted: int) -> bool:
        """Have `wanted` helpers; return whether there are any."""
        self._jobs = [job for job in self._jobs if not job.finished]
        while len(self._helping) < wanted:
            place = object()
            self._helping.add(place)
            try:
                self._jobs.append(self._scorer.submit(partial(self._help, place)))
            except EngineError as error:
                self._helping.discard(place)
                # Closed, or no thread. A caller that scores does without, or finds out itself.
                if self._only_waits and not self._helping:
                    self.failure = self.failure or error
                break
        return bool(self._helping)

    def _help(self, place: object) -> None:
        """Score batches as one of the helpers."""
        while True:
            self._work()
            # The caller may have counted on this helper just before it left.
            self._helping.discard(place)
            if self._batches.empty():
                return
            self._helping.add(place)

    def _work(self) -> None:
        """Score batches until there are none."""
        while True:
            try:
                batch = self._batches.get_nowait()
            except queue.Empty:
                return
            try:
                self._score(batch, alone=True)
            finally:
                self._scored.put(None)

    def _score(self, batch: Batch, *, alone: bool) -> None:
        if self._until_failure and self.failure is not None:
            return
        if self._deadline.passed:
            self.failure = self.failure or DeadlineError.passed()
            return
        prompts = [prompt for _, prompt in batch]
        try:
            scores = (
                self._scorer.logits_here(prompts, deadline=self._deadline, alone=True)
                if alone
                else self._scorer.logits(prompts, deadline=self._deadline)
            )
        except EngineError as error:
            # A router that is closed asks its threads to stop.
            self.failure = self.failure or (EngineError.closed() if self._scorer.closed else error)
            return
        self.logits.update(zip((place for place, _ in batch), scores, strict=True))


def batches(lengths: Sequence[int], *, budget: int = _TOKEN_BUDGET) -> Iterator[list[int]]:
    """Yield the indices of sequences of these `lengths`, grouped by length.

    A padded group holds at most `budget` tokens, or one sequence.
    """
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[index] > budget:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
