"""A chat to its decision: read it, look at what it requires, score what is asked, and keep to a side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vibe_router.conversation.asks import Ask, asks_of
from vibe_router.conversation.decision import ChatDecision, ChatState, Requires, check_state
from vibe_router.conversation.leaning import Kind
from vibe_router.conversation.messages import Chat, Span, read_chat
from vibe_router.conversation.policy import ChatPolicy, Observation, sides
from vibe_router.conversation.scores import RecentScores, Scores
from vibe_router.errors import EngineError, UsageError
from vibe_router.policy import Decision, Reason, Target
from vibe_router.routing.call import awaited

if TYPE_CHECKING:
    from vibe_router.routing.call import Terms
    from vibe_router.routing.deadline import Deadline
    from vibe_router.routing.scorer import Scorer
    from vibe_router.text.protocol import Prompt, Tokenizer


@dataclass(frozen=True, kw_only=True)
class ChatCall:
    """What one call asks: the chat, on which terms, and what is known of the turns before."""

    chat: Chat
    terms: Terms
    policy: ChatPolicy
    state: ChatState
    scorer: str
    """The bundle and the engine; scores of a state count only for the same two."""
    requires: Requires
    lacking: tuple[str, ...]
    """The requirements that the device's model does not meet."""

    @property
    def needs_cloud(self) -> bool:
        """Whether only the cloud can serve the request, and is allowed to."""
        return self.terms.allow_cloud and bool(self.lacking)


def read_call(
    messages: object, *, tools: object, state: object, policy: ChatPolicy | None, terms: Terms, scorer: str
) -> ChatCall:
    """Return a call's arguments, checked.

    Raises:
        PromptError: messages or tools of the wrong form.
        UsageError: a state or a policy that is none.
    """
    if policy is not None and not isinstance(policy, ChatPolicy):
        raise UsageError(f"the policy is a {type(policy).__name__}", hint="give a ChatPolicy, or None")
    chosen = policy or ChatPolicy()
    chat = read_chat(messages, tools=tools, harness_tags=chosen.harness_tags)
    before = check_state(state)
    if before.pinned:
        # A conversation that must stay on the device once must do so for good: its text is in the history.
        terms = replace(terms, allow_cloud=False)
    requires, lacking = requirements(chat, chosen)
    return ChatCall(
        chat=chat, terms=terms, policy=chosen, state=before, scorer=scorer, requires=requires, lacking=lacking
    )


def decide_chat(
    call: ChatCall,
    tokenizer: Tokenizer,
    recent: RecentScores,
    score: Callable[[Prompt], float],
    *,
    engine: str,
) -> ChatDecision:
    """Return the decision for a chat; `score` gives the logit of a tokenized text.

    Raises:
        PromptError: a turn cannot be tokenized.
        EngineError: there is no score, and the terms need one.
    """
    asks = asks_of(call.chat.turns, call.policy)
    item = tokenizer.encode(asks[-1].text)
    known = call.state.scores if call.state.scorer == call.scorer else {}
    scores = Scores(known, recent, lambda text: score(tokenizer.encode(text)))
    if call.needs_cloud:
        return _finish(call, _require(call, item, engine), scores.used)
    try:
        decision = _decide(asks, scores, item, call, engine)
    except EngineError as error:
        return _finish(call, call.terms.decide_after(error, item, engine=engine), scores.used)
    return _finish(call, decision, scores.used, scored=asks[-1].spans)


async def decide_chat_awaited(
    call: ChatCall, scorer: Scorer, tokenizer: Tokenizer, recent: RecentScores, deadline: Deadline
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
            lambda item: scorer.logits_here([item], deadline=deadline)[0],
            engine=engine,
        )

    return await awaited(
        scorer, work, deadline, without_score=lambda error: decide_chat_after(error, call, engine=engine)
    )


def decide_chat_after(failure: EngineError, call: ChatCall, *, engine: str) -> ChatDecision:
    """Return the decision for a chat of which nothing could be scored.

    Raises:
        EngineError: `failure`, where a score is needed.
    """
    decision = (
        _require(call, None, engine) if call.needs_cloud else call.terms.decide_after(failure, None, engine=engine)
    )
    return _finish(call, decision, call.state.scores)


def _require(call: ChatCall, item: Prompt | None, engine: str) -> Decision:
    return Decision(
        target=Target.CLOUD,
        p_cloud=None,
        threshold=call.terms.threshold,
        margin=None,
        tokens=0 if item is None else item.tokens,
        truncated=item is not None and item.truncated,
        engine=engine,
        reason=Reason.REQUIRED,
        profile=call.terms.call.profile,
        bundle=call.terms.call.bundle,
        bundle_version=call.terms.call.bundle_version,
        latency_ms=call.terms.call.milliseconds,
    )


def _finish(
    call: ChatCall, decision: Decision, scores: Mapping[str, float], *, scored: tuple[Span, ...] = ()
) -> ChatDecision:
    return ChatDecision(
        decision=decision,
        scored=scored,
        requires=call.requires,
        unmet=call.lacking if decision.target is Target.DEVICE else (),
        state=ChatState(pinned=not call.terms.allow_cloud, scorer=call.scorer, scores=dict(scores)),
    )


def _decide(asks: list[Ask], scores: Scores, item: Prompt, call: ChatCall, engine: str) -> Decision:
    terms = call.terms
    if not terms.allow_cloud:
        return terms.decide(scores.of(asks[-1].text), item, engine=engine)
    observed = [
        Observation(None if ask.kind is Kind.BARE else scores.of(ask.text), ask.kind is Kind.NEW_TOPIC) for ask in asks
    ]
    side = sides(observed, threshold=terms.threshold, policy=call.policy)[-1]
    decision = terms.decide(scores.of(asks[-1].text), item, engine=engine)
    held = asks[-1].kind is Kind.BARE or call.chat.open_tool_call or decision.target is not side
    return replace(decision, target=side, reason=Reason.HELD) if held else decision


def requirements(chat: Chat, policy: ChatPolicy) -> tuple[Requires, tuple[str, ...]]:
    """Return a chat's requirements, and the names of those that the device's model does not meet."""
    tokens = round(chat.text_bytes / policy.bytes_per_token) + chat.media * policy.tokens_per_medium
    requires = Requires(
        tools=chat.tools,
        vision=chat.vision,
        audio=chat.audio,
        long_context=tokens + policy.reserved_tokens > policy.device_context,
        context_tokens=tokens,
    )
    lacking = {
        "tools": requires.tools and not policy.device_tools,
        "vision": requires.vision and not policy.device_vision,
        "audio": requires.audio and not policy.device_audio,
        "long_context": requires.long_context,
    }
    return requires, tuple(name for name, lacks in lacking.items() if lacks)
