"""Random dialogues that look for a broken promise of `Router.route_chat`.

Each dialogue is routed request by request, as an application would: after each turn of the user, and again after each
result of a tool. The promises, all of docs/conversations.md:

    replay      the messages alone give what they give with the state of the request before
    wish        system prompts, blocks of a harness, answers and results of tools change no score and no side
    tools       an open tool call keeps the side of its turn, unless the device cannot take the request
    follow-up   a turn that says nothing by itself keeps the side
    pin         once the cloud is forbidden, no later request of the conversation goes there
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from benchmarks.hardening.dialogues.words import BARE, DEVICE_TEXTS, HARNESS, PIECES, SYSTEMS
from vibe_router.conversation.decision import ChatDecision
from vibe_router.conversation.policy import ChatPolicy
from vibe_router.conversation.route import decide_chat, read_call
from vibe_router.conversation.scores import RecentScores, digest
from vibe_router.policy import Reason, Target
from vibe_router.routing.call import Terms
from vibe_router.text.tokenizer import PromptTokenizer, TokenizedPrompt

Message = dict[str, Any]


@dataclass(frozen=True)
class Broken:
    """A promise that a dialogue broke; the seed makes the dialogue again."""

    seed: int
    promise: str


class _Letters:
    """Takes characters for tokens: nothing that is promised depends on how text is cut, and this is quick."""

    def encode(self, prompt: str) -> TokenizedPrompt:
        return TokenizedPrompt(np.array([ord(letter) for letter in prompt], np.int64), False)


class Desk:
    """Routes chats with random scores in the place of an engine: each text has one, the same whenever it is asked."""

    def __init__(self, *, policy: ChatPolicy, threshold: float) -> None:
        self._tokenizer = cast("PromptTokenizer", _Letters())
        self._policy = policy
        self._threshold = threshold

    def route(
        self,
        messages: list[Message],
        *,
        state: object = None,
        allow_cloud: bool = True,
        recent: RecentScores | None = None,
    ) -> ChatDecision:
        """Return the decision for one request."""
        call = read_call(
            messages,
            tools=None,
            state=state,
            policy=self._policy,
            terms=Terms(self._threshold, allow_cloud, None),
            scorer="random",
        )
        return decide_chat(
            call,
            self._tokenizer,
            recent or RecentScores(slots=8),
            lambda item: _random_logit(item.ids.tobytes()),
            engine="random",
        )


def check_dialogues(
    desk: Desk, *, first: int, count: int, told: Callable[[int], None] = lambda _: None
) -> list[Broken]:
    """Return the promises that the dialogues of the seeds from `first` on broke; `told` hears how many are done."""
    broken: list[Broken] = []
    for seed in range(first, first + count):
        broken += [Broken(seed, promise) for promise in check_dialogue(desk, random.Random(seed))]
        told(seed - first + 1)
    return broken


def check_dialogue(desk: Desk, source: random.Random) -> list[str]:
    """Return the names of the promises that one random dialogue broke."""
    broken: list[str] = []
    messages: list[Message] = _system(source)
    state: object = None
    pinned_state: object = None
    pin_at = source.choice((None, 0, 1, 2))
    for turn in range(source.randint(1, 4)):
        before = _route_now(desk, messages, turn)
        bare = turn > 0 and source.random() < 0.3
        messages.append(_user(source, bare=bare))
        decided = desk.route(messages, state=state)
        if not _same(decided, desk.route(messages)):
            broken.append("replay")
        state = json.loads(json.dumps(decided.state.to_json())) if source.random() < 0.5 else decided.state
        # Where nothing came before it there is nothing to lean on, and it is scored.
        if (
            bare
            and before is not None
            and before.scored
            and Reason.REQUIRED not in (decided.decision.reason, before.decision.reason)
        ):
            broken += ["follow-up"] * (decided.target is not before.target)
        if not _same(decided, desk.route(_disguised(messages, source)), sizes=False):
            broken.append("wish")
        pinned = desk.route(messages, state=pinned_state, allow_cloud=turn != pin_at)
        pinned_state = pinned.state
        if pin_at is not None and turn >= pin_at and pinned.target is not Target.DEVICE:
            broken.append("pin")
        for _ in range(source.choice((0, 0, 1, 2))):
            messages += _tool_call(source)
            carried = desk.route(messages, state=state if source.random() < 0.5 else None)
            if carried.target is not decided.target and carried.decision.reason is not Reason.REQUIRED:
                broken.append("tools")
        messages.append({"role": "assistant", "content": _text(source)})
    return broken


def _route_now(desk: Desk, messages: list[Message], turn: int) -> ChatDecision | None:
    return desk.route(messages) if turn else None


def _same(one: ChatDecision, other: ChatDecision, *, sizes: bool = True) -> bool:
    """Whether two decisions are one; without `sizes` what a context's length did is left aside."""
    if not sizes and Reason.REQUIRED in (one.decision.reason, other.decision.reason):
        return True
    same = one.decision == other.decision and one.unmet == other.unmet
    return same and (not sizes or (one.requires == other.requires and one.state.scores == other.state.scores))


def _disguised(messages: list[Message], source: random.Random) -> list[Message]:
    """Return the dialogue with everything changed that is no wish of the user."""
    changed = [message for message in messages if message["role"] not in ("system", "developer")]
    changed = _system(source) + [dict(message) for message in changed]
    for message in changed:
        if message["role"] in ("assistant", "tool") and message["content"] is not None:
            message["content"] = _text(source)
        if message["role"] == "user" and isinstance(message["content"], str) and source.random() < 0.5:
            message["content"] = source.choice(HARNESS) + message["content"]
    return changed


def _system(source: random.Random) -> list[Message]:
    role = source.choice(("system", "developer"))
    return [{"role": role, "content": source.choice(SYSTEMS)}] if source.random() < 0.6 else []


def _user(source: random.Random, *, bare: bool) -> Message:
    if bare:
        return {"role": "user", "content": source.choice(BARE)}
    text = source.choice(DEVICE_TEXTS) if source.random() < 0.3 else _text(source)
    if source.random() < 0.2:
        parts: list[dict[str, Any]] = [{"type": "text", "text": text}]
        if source.random() < 0.2:
            parts.append({"type": "image_url", "image_url": {"url": "data:"}})
        return {"role": "user", "content": parts}
    return {"role": "user", "content": text}


def _tool_call(source: random.Random) -> list[Message]:
    function = {"name": "look", "arguments": json.dumps({"at": source.choice(PIECES)})}
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": function}]}
    return [call, {"role": "tool", "tool_call_id": "1", "content": _text(source)}]


def _text(source: random.Random) -> str:
    return " ".join(source.choices(PIECES, k=source.choice((1, 2, 4, 12))))


def _random_logit(ids: bytes) -> float:
    return random.Random(digest(ids.hex())).uniform(-3, 3)
