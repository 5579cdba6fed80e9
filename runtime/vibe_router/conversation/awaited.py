"""A chat to its decision without holding the event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from vibe_router.conversation.route import ChatCall, decide_chat, decide_chat_after
from vibe_router.errors import DeadlineError, EngineError

if TYPE_CHECKING:
    from vibe_router.conversation.decision import ChatDecision
    from vibe_router.conversation.scores import RecentScores
    from vibe_router.routing.deadline import Deadline
    from vibe_router.routing.scorer import Scorer
    from vibe_router.text.tokenizer import PromptTokenizer


async def decide_chat_awaited(
    call: ChatCall, scorer: Scorer, tokenizer: PromptTokenizer, recent: RecentScores, deadline: Deadline
) -> ChatDecision:
    """Return the decision for a chat that one of the scorer's threads tokenizes and scores.

    Raises:
        PromptError: a turn cannot be tokenized.
        EngineError: there is no score, and the terms need one.
    """
    engine = scorer.engine.name

    def work() -> ChatDecision:
        return decide_chat(
            call,
            tokenizer,
            recent,
            lambda item: float(scorer.logits_here([item.ids], deadline=deadline)[0]),
            engine=engine,
        )

    try:
        job = scorer.submit(work)
    except EngineError as error:
        return decide_chat_after(error, call, engine=engine)
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
    return decide_chat_after(failure, call, engine=engine)
