"""One prompt to its decision without holding the event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from vibe_router.errors import DeadlineError, EngineError

if TYPE_CHECKING:
    from vibe_router.policy import Decision
    from vibe_router.routing.deadline import Deadline
    from vibe_router.routing.scorer import Scorer
    from vibe_router.routing.terms import Terms
    from vibe_router.text.tokenizer import PromptTokenizer


async def decide_awaited(
    scorer: Scorer, tokenizer: PromptTokenizer, prompt: str, terms: Terms, deadline: Deadline
) -> Decision:
    """Return the decision for a prompt that one of the scorer's threads tokenizes and scores.

    A cancelled call stops its engine. The deadline also bounds the wait for a free thread.

    Raises:
        PromptError: the prompt cannot be tokenized.
        EngineError: there is no score, and `terms` need one.
    """
    engine = scorer.engine.name

    def work() -> Decision:
        item = tokenizer.encode(prompt)
        try:
            (logit,) = scorer.logits_here([item.ids], deadline=deadline)
        except EngineError as error:
            return terms.decide_after(error, item, engine=engine)
        return terms.decide(float(logit), item, engine=engine)

    try:
        job = scorer.submit(work)
    except EngineError as error:
        return terms.decide_after(error, None, engine=engine)
    waiting = asyncio.wrap_future(job.future)
    try:
        await asyncio.wait([waiting], timeout=deadline.remaining())
    finally:
        if not waiting.done():
            job.abandon()
            waiting.cancel()
        elif not waiting.cancelled():
            # Looked at, so that the loop does not complain of an error that a cancelled caller cannot receive.
            waiting.exception()
    if waiting.done() and not waiting.cancelled():
        return waiting.result()
    failure = DeadlineError.passed() if deadline.passed else EngineError.closed()
    return terms.decide_after(failure, None, engine=engine)
