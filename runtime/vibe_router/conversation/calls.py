"""The router's calls for whole conversations: `route_chat` and `aroute_chat`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from vibe_router.routing.deadline import Deadline

if TYPE_CHECKING:
    from vibe_router.bundle.bundle import Bundle
    from vibe_router.conversation.decision import ChatDecision, ChatState
    from vibe_router.conversation.policy import ChatPolicy
    from vibe_router.conversation.route import ChatCall
    from vibe_router.conversation.scores import RecentScores
    from vibe_router.engines.protocol import Engine
    from vibe_router.policy import Target
    from vibe_router.routing.call import Terms
    from vibe_router.routing.scorer import ProcessScorer
    from vibe_router.text.protocol import Tokenizer

_MOST_AT_ONCE = 100
"""More messages are read in a thread, because reading them in the event loop would hold up other calls."""


class ChatCalls:
    """What `Router` does with messages instead of one prompt. It is a part of `Router`, and of nothing else."""

    _bundle: Bundle
    _tokenizer: Tokenizer
    _scorer: ProcessScorer
    _recent_scores: RecentScores

    def route_chat(
        self,
        messages: Sequence[Mapping[str, object]],
        *,
        state: ChatState | Mapping[str, object] | None = None,
        profile: str | None = None,
        threshold: float | None = None,
        allow_cloud: bool = True,
        fallback: Target | None = None,
        timeout: float | None = None,
        tools: Sequence[object] | None = None,
        policy: ChatPolicy | None = None,
    ) -> ChatDecision:
        """Return the decision for a conversation whose last turn wants an answer.

        `messages` are those of a chat API: roles system, developer, user, assistant and tool, content as text or as
        parts. What is asked, and when a conversation changes sides, is in docs/conversations.md. `state` of the
        decision before spares scores and keeps a pin; without it the same is decided from the messages. `tools` are
        the request's tool definitions. The other arguments are those of `route`.

        Raises:
            PromptError: messages of the wrong form, or text that cannot be tokenized.
            DeadlineError, EngineError: as `route`.
            UsageError: as `route`, or a state that is none.
        """
        from vibe_router.conversation.route import decide_chat

        deadline = Deadline.after(timeout)
        terms = self._terms(profile, threshold, allow_cloud, fallback)
        scorer = self._scorer.here()
        call = self._chat_call(messages, tools, state, policy, terms, scorer.engine)
        return decide_chat(
            call,
            self._tokenizer,
            self._recent_scores,
            lambda item: scorer.logits([item], deadline=deadline)[0],
            engine=scorer.engine.name,
        )

    async def aroute_chat(
        self,
        messages: Sequence[Mapping[str, object]],
        *,
        state: ChatState | Mapping[str, object] | None = None,
        profile: str | None = None,
        threshold: float | None = None,
        allow_cloud: bool = True,
        fallback: Target | None = None,
        timeout: float | None = None,
        tools: Sequence[object] | None = None,
        policy: ChatPolicy | None = None,
    ) -> ChatDecision:
        """Return what `route_chat` returns, without holding the event loop, as `aroute` does.

        Raises:
            As `route_chat`.
        """
        from vibe_router.conversation.route import decide_chat_awaited

        deadline = Deadline.after(timeout)
        terms = self._terms(profile, threshold, allow_cloud, fallback)
        scorer = self._scorer.here()
        read = partial(self._chat_call, messages, tools, state, policy, terms, scorer.engine)
        many = isinstance(messages, Sequence) and len(messages) > _MOST_AT_ONCE
        call = await _in_a_thread(read) if many else read()
        return await decide_chat_awaited(call, scorer, self._tokenizer, self._recent_scores, deadline)

    def _terms(self, profile: str | None, threshold: float | None, allow_cloud: bool, fallback: Target | None) -> Terms:
        raise NotImplementedError

    def _chat_call(
        self,
        messages: object,
        tools: object,
        state: ChatState | Mapping[str, object] | None,
        policy: ChatPolicy | None,
        terms: Terms,
        engine: Engine,
    ) -> ChatCall:
        from vibe_router.conversation.route import read_call

        manifest = self._bundle.manifest
        scorer = f"{manifest.name} {manifest.version} {engine.name} {engine.file}"
        return read_call(messages, tools=tools, state=state, policy=policy, terms=terms, scorer=scorer)


async def _in_a_thread(read: Callable[[], ChatCall]) -> ChatCall:
    import asyncio

    try:
        return await asyncio.to_thread(read)
    except RuntimeError:
        # The system gives no thread; late is better than not at all.
        return read()
