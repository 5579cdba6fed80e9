"""Many prompts to their decisions: scored in batches, decided as each alone would be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from vibe_router.engines.cancellation import CURRENT_STOP
from vibe_router.errors import EngineError, PromptError, UsageError, VibeRouterError
from vibe_router.policy import Decision, sigmoid
from vibe_router.routing.call import awaited, decide_one, reason_of
from vibe_router.routing.deadline import NO_DEADLINE
from vibe_router.routing.scoring import Scoring

if TYPE_CHECKING:
    from vibe_router.routing.call import Terms
    from vibe_router.routing.deadline import Deadline
    from vibe_router.routing.scorer import ProcessScorer
    from vibe_router.text.protocol import Prompt, Tokenizer


def several(prompts: Iterable[str]) -> Iterable[str]:
    """Return `prompts`.

    Raises:
        UsageError: they are one text, whose characters would be routed.
    """
    if isinstance(prompts, (str, bytes)):
        raise UsageError("prompts must be several texts, not one", hint="pass a list, or call route")
    try:
        iter(prompts)
    except TypeError as error:
        raise UsageError(f"prompts must be several texts, not {type(prompts).__name__}", hint="pass a list") from error
    return prompts


def decide_stream(
    scorer: ProcessScorer,
    tokenizer: Tokenizer,
    prompts: Iterable[str],
    terms: Terms,
    deadline: Deadline,
    *,
    chunk: int,
    skip: bool = False,
) -> Iterator[Decision | None]:
    """Yield one decision a prompt, in order, holding at most `chunk` prompts' ids in memory.

    When `prompts` raises, or a prompt cannot be tokenized, the prompts before it are decided first. With `skip`, None
    stands for a prompt that cannot be tokenized.

    Raises:
        PromptError: a prompt cannot be tokenized.
        EngineError: there is no score, and `terms` need one.
    """
    source = iter(prompts)
    while True:
        encoded: list[Prompt | None] = []
        failure: Exception | None = None
        terms = terms.begun_now()
        scoring = Scoring(scorer.here(), deadline, until_failure=terms.need_a_score)
        try:
            try:
                for prompt in source:
                    item = _encode(tokenizer, prompt, skip=skip)
                    if item is not None:
                        scoring.add(len(encoded), item)
                    encoded.append(item)
                    if len(encoded) == chunk:
                        break
            except Exception as error:  # noqa: BLE001 - raised again below, after the decisions before it
                failure = error
            scoring.finish()
        except BaseException:
            scoring.give_up()
            raise
        yield from _decide(scorer, encoded, scoring, terms, deadline)
        if failure is not None:
            raise failure
        if len(encoded) < chunk:
            return


def _encode(tokenizer: Tokenizer, prompt: str, *, skip: bool) -> Prompt | None:
    try:
        return tokenizer.encode(prompt)
    except PromptError:
        if skip:
            return None
        raise


async def decide_many_awaited(
    scorer: ProcessScorer,
    tokenizer: Tokenizer,
    prompts: Sequence[str],
    terms: Terms,
    deadline: Deadline,
    *,
    chunk: int,
    skip: bool,
) -> list[Decision | None]:
    """Return one decision a prompt, of which one of the scorer's threads decides `chunk` at a time.

    Raises:
        PromptError: a prompt cannot be tokenized; the message names its place.
        EngineError: there is no score, and `terms` need one.
    """
    here = scorer.here()
    decided: list[Decision | None] = []

    def work() -> list[Decision | None]:
        stop = CURRENT_STOP.get()
        # The deadline is the waiting caller's. This thread would wait for another of its kind with one of its own.
        for decision in decide_stream(scorer, tokenizer, prompts, terms, NO_DEADLINE, chunk=chunk, skip=skip):
            if stop is not None and stop.is_set:
                break
            decided.append(decision)
        return decided

    def without_score(error: EngineError) -> list[Decision | None]:
        ready = list(decided)
        rest = len(prompts) - len(ready)
        return ready + [terms.decide_after(error, None, engine=here.engine.name) for _ in range(rest)]

    try:
        return await awaited(here, work, deadline, without_score=without_score)
    except VibeRouterError as error:
        note_decided(error, decided)
        raise


def note_decided(error: VibeRouterError, decided: Sequence[Decision | None]) -> None:
    """Give the error the decisions before it; of a prompt that is refused it names the place."""
    if isinstance(error, PromptError):
        error.message = f"prompt {len(decided)}: {error.message}"
        error.args = (error.message,)
    error.decided = tuple(decided)


def _decide(
    scorer: ProcessScorer, encoded: Sequence[Prompt | None], scoring: Scoring, terms: Terms, deadline: Deadline
) -> Iterator[Decision | None]:
    # A batch rounds differently from a prompt alone: scores so near the threshold that this could change the decision
    # are taken again alone, and so are prompts of batches that failed.
    engine, logits = scorer.here().engine, scoring.logits
    failure = None if scoring.failure is None or not terms.need_a_score else reason_of(scoring.failure)
    for index, item in enumerate(encoded):
        if item is None:
            yield None
        elif index in logits and abs(sigmoid(logits[index]) - terms.threshold) > engine.batch_band:
            yield terms.decide(logits[index], item, engine=engine.name)
        elif failure is not None and index not in logits:
            # Only now, so that what was scored before it is decided.
            raise failure from None
        else:
            yield decide_one(scorer.here(), item, terms, deadline)
