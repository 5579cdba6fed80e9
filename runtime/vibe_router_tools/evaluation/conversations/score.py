"""Every text that one of the five ways routes, scored once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vibe_router.conversation.asks import asks_of
from vibe_router.conversation.leaning import Kind
from vibe_router.conversation.policy import ChatPolicy, Observation, threshold_logit
from vibe_router.errors import PromptError
from vibe_router.progress import Progress, ProgressCallback
from vibe_router.router import Router
from vibe_router_tools.evaluation.conversations.policies import ScoredConversation
from vibe_router_tools.evaluation.conversations.read import Conversation


def score_conversations(
    router: Router,
    conversations: Sequence[Conversation],
    policy: ChatPolicy,
    *,
    name: str,
    progress: ProgressCallback | None = None,
) -> list[ScoredConversation]:
    """Return the logits of each conversation's turns; `name` is for errors.

    Raises:
        PromptError: a turn cannot be tokenized; the message names the line.
        EngineError: the engine failed.
    """
    known: dict[str, float] = {}

    def score(text: str) -> float:
        if text not in known:
            p_cloud = router.route(text).p_cloud
            assert p_cloud is not None, "without a fallback there is a score or an error"
            known[text] = threshold_logit(p_cloud)
        return known[text]

    scored: list[ScoredConversation] = []
    for done, conversation in enumerate(conversations, start=1):
        try:
            scored.append(_score(conversation, policy, score))
        except PromptError as error:
            raise PromptError(f"{name}:{conversation.line}: {error.message}", hint=error.hint) from error
        # Texts repeat within a conversation, seldom between two.
        known.clear()
        if progress is not None:
            progress(Progress(done, len(conversations)))
    return scored


def _score(conversation: Conversation, policy: ChatPolicy, score: Callable[[str], float]) -> ScoredConversation:
    texts = [turn.text for turn in conversation.chat.turns]
    asks = asks_of(conversation.chat.turns, policy)
    # A conversation longer than what is replayed counts from where the replay begins.
    first = len(texts) - len(asks)
    return ScoredConversation(
        last=tuple(score(text) for text in texts[first:]),
        history=tuple(score(_history(conversation, index)) for index in range(first, len(texts))),
        asks=tuple(
            Observation(None if ask.kind is Kind.BARE else score(ask.text), ask.kind is Kind.NEW_TOPIC) for ask in asks
        ),
        cloud=conversation.cloud[first:],
    )


def _history(conversation: Conversation, turn: int) -> str:
    """Return all that was said up to a turn of the user."""
    chat = conversation.chat
    said = [text for index in range(turn + 1) for text in (chat.answers[index], chat.turns[index].text)]
    return "\n".join(filter(None, said))
