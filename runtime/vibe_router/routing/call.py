"""One call of a router: its terms, one prompt's way to a decision, and the same without holding the event loop."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from vibe_router.bundle.strict_json import shown
from vibe_router.errors import BundleCorruptError, DeadlineError, EngineError, UsageError
from vibe_router.policy import Call, Decision, Target, decide, decide_without_score

if TYPE_CHECKING:
    from vibe_router.routing.deadline import Deadline
    from vibe_router.routing.scorer import Scorer
    from vibe_router.text.protocol import Prompt, Tokenizer

T = TypeVar("T")


@dataclass(frozen=True)
class Terms:
    """The terms of a decision: its threshold, whether the cloud is allowed, and the target without a score.

    `threshold` is on the scale of the engine's logits; `fallback` None means that a failure is raised.
    """

    threshold: float
    allow_cloud: bool
    fallback: Target | None
    call: Call = field(default_factory=Call)

    def begun_now(self) -> Terms:
        """Return the same terms for prompts that are read from now on."""
        return replace(self, call=replace(self.call, started=time.perf_counter()))

    @property
    def need_a_score(self) -> bool:
        """Whether there is no decision without one."""
        return self.allow_cloud and self.fallback is None

    def decide(self, logit: float, prompt: Prompt, *, engine: str) -> Decision:
        """Return the decision for a prompt's logit."""
        return decide(
            logit,
            threshold=self.threshold,
            tokens=prompt.tokens,
            truncated=prompt.truncated,
            engine=engine,
            allow_cloud=self.allow_cloud,
            call=self.call,
        )

    def decide_after(self, failure: EngineError, prompt: Prompt | None, *, engine: str) -> Decision:
        """Return the decision for a prompt that has no score, None where not even its ids are known.

        A bundle that was damaged since it was loaded sends nothing to the cloud.

        Raises:
            EngineError: `failure`, where a score is needed.
            BundleCorruptError: the reason of the failure, where the decision would not be the device.
        """
        reason = reason_of(failure)
        if reason is not failure and self.allow_cloud and self.fallback is not Target.DEVICE:
            raise reason
        decision = decide_without_score(
            threshold=self.threshold,
            tokens=0 if prompt is None else prompt.tokens,
            truncated=prompt is not None and prompt.truncated,
            engine=engine,
            fallback=self.fallback,
            allow_cloud=self.allow_cloud,
            call=self.call,
        )
        if decision is None:
            raise failure
        # Without the message: an engine's may tell of the prompt.
        _warn("%s; decided without a score: %s", type(failure).__name__, decision.target.value)
        return decision


def reason_of(failure: EngineError) -> EngineError | BundleCorruptError:
    """Return what is to be raised for an engine's failure: where the bundle was damaged since it was loaded, that."""
    return failure.__cause__ if isinstance(failure.__cause__, BundleCorruptError) else failure


def check_fallback(fallback: Target | str | None) -> Target | None:
    """Return `fallback` as a target.

    Raises:
        UsageError: it is none.
    """
    if fallback is None:
        return None
    if not isinstance(fallback, str) or fallback not in tuple(Target):
        raise UsageError(
            f"the fallback {shown(fallback)} is not a target", hint="give Target.DEVICE, Target.CLOUD or None"
        )
    return Target(fallback)


def _warn(message: str, *values: object) -> None:
    # Imported here, because most processes never log and the import takes as long as a decision.
    import logging

    logger = logging.getLogger("vibe_router")
    if not logger.handlers:
        # Without a handler Python prints warnings to stderr, which belongs to the host application.
        logger.addHandler(logging.NullHandler())
    logger.warning(message, *values)


def check_allow_cloud(allow_cloud: bool) -> bool:
    """Return `allow_cloud` as a bool of Python's or numpy's.

    Raises:
        UsageError: it is anything else, such as the text "false", which would count as true.
    """
    if type(allow_cloud).__name__ not in ("bool", "bool_"):
        raise UsageError(f"allow_cloud is True or False, not of type {type(allow_cloud).__name__}", hint="give a bool")
    return bool(allow_cloud)


def decide_one(scorer: Scorer, item: Prompt, terms: Terms, deadline: Deadline) -> Decision:
    """Return the decision for a tokenized prompt.

    Raises:
        EngineError: there is no score, and `terms` need one.
    """
    try:
        (logit,) = scorer.logits([item], deadline=deadline)
    except EngineError as error:
        return terms.decide_after(error, item, engine=scorer.engine.name)
    return terms.decide(logit, item, engine=scorer.engine.name)


async def decide_awaited(
    scorer: Scorer, tokenizer: Tokenizer, prompt: str, terms: Terms, deadline: Deadline
) -> Decision:
    """Return the decision for a prompt that one of the scorer's threads tokenizes and scores.

    Raises:
        PromptError: the prompt cannot be tokenized.
        EngineError: there is no score, and `terms` need one.
    """
    engine = scorer.engine.name

    def work() -> Decision:
        item = tokenizer.encode(prompt)
        try:
            (logit,) = scorer.logits_here([item], deadline=deadline)
        except EngineError as error:
            return terms.decide_after(error, item, engine=engine)
        return terms.decide(logit, item, engine=engine)

    return await awaited(
        scorer, work, deadline, without_score=lambda error: terms.decide_after(error, None, engine=engine)
    )


async def awaited(
    scorer: Scorer, work: Callable[[], T], deadline: Deadline, *, without_score: Callable[[EngineError], T]
) -> T:
    """Return what `work` returns in one of the scorer's threads; `without_score` decides where it could not finish.

    A cancelled call stops its engine. The deadline also bounds the wait for a free thread.

    Raises:
        As `work` and `without_score`.
    """
    import asyncio

    if deadline.passed:
        return without_score(DeadlineError.passed())
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def end() -> None:
        if not ended.done():
            ended.set_result(None)

    def tell() -> None:
        # The loop may have been closed while the call ran.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(end)

    try:
        job = scorer.submit(work, when_done=tell)
    except EngineError as error:
        return without_score(error)
    # Not `wait_for`, whose task takes two more turns of the loop.
    seconds = deadline.remaining()
    alarm = None if seconds is None else loop.call_later(seconds, end)
    try:
        await ended
    finally:
        if alarm is not None:
            alarm.cancel()
        if not job.finished:
            job.abandon()
    if job.finished and not job.abandoned:
        return job.result()
    return without_score(DeadlineError.passed() if deadline.passed else EngineError.closed())
