"""What routing a chat returns, and the small state that spares the next turn some work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vibe_router.conversation.messages import Span
from vibe_router.errors import UsageError
from vibe_router.policy import Decision, Target

_VERSION = 1
_DIGEST_CHARACTERS = 16


@dataclass(frozen=True, kw_only=True)
class Requires:
    """What a model has to have to answer the request. `context_tokens` is an estimate from the text's bytes."""

    tools: bool
    vision: bool
    audio: bool
    long_context: bool
    context_tokens: int


@dataclass(frozen=True, kw_only=True)
class ChatState:
    """What a caller may hand to the next turn. Without it, the next turn decides the same from its messages alone.

    `pinned` says that the cloud was forbidden once, and stays so: it is the one thing that messages do not hold.
    `scores` spare the engine: the logit of each text that was scored, by 64 bits of its BLAKE2b hash. They count
    for the `scorer` (bundle and engine) that gave them, and no other.
    """

    pinned: bool = False
    scorer: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (
            not isinstance(self.pinned, bool)
            or not isinstance(self.scorer, str)
            or not isinstance(self.scores, Mapping)
        ):
            raise _wrong("a value is of the wrong type")

    def to_json(self) -> dict[str, object]:
        """Return the state as JSON values."""
        return {"version": _VERSION, "pinned": self.pinned, "scorer": self.scorer, "scores": dict(self.scores)}

    @classmethod
    def from_json(cls, value: object) -> ChatState:
        """Return the state that `to_json` gave.

        Raises:
            UsageError: it is none.
        """
        if not isinstance(value, Mapping) or set(value) != {"version", "pinned", "scorer", "scores"}:
            raise _wrong("it is not what ChatState.to_json gave")
        pinned, scorer, scores = value["pinned"], value["scorer"], value["scores"]
        if value["version"] != _VERSION:
            raise _wrong(f"this version reads version {_VERSION}")
        if not isinstance(scores, Mapping):
            raise _wrong("a value is of the wrong type")
        return cls(pinned=pinned, scorer=scorer, scores={_digest(key): _logit(item) for key, item in scores.items()})


@dataclass(frozen=True, kw_only=True)
class ChatDecision:
    """One routed chat.

    `decision` is what `Router.route` would return, for the conversation: `p_cloud` is the score of the text that
    `scored` names, None where no score was needed. `unmet` names what `requires` and the device lacks, where the
    target is the device although it cannot serve the request: the cloud was forbidden. `state` is for the next turn.
    """

    decision: Decision
    scored: tuple[Span, ...]
    requires: Requires
    unmet: tuple[str, ...]
    state: ChatState

    @property
    def target(self) -> Target:
        """Where the request goes."""
        return self.decision.target


def check_state(state: object) -> ChatState:
    """Return `state`, as an object or as JSON values; None is an empty one.

    Raises:
        UsageError: it is neither.
    """
    if state is None:
        return ChatState()
    return state if isinstance(state, ChatState) else ChatState.from_json(state)


def _digest(key: object) -> str:
    if not isinstance(key, str) or len(key) != _DIGEST_CHARACTERS:
        raise _wrong("a key of its scores is no digest")
    return key


def _logit(value: object) -> float:
    # NaN and infinity are no logits either.
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not abs(value) < 1e9:
        raise _wrong("one of its scores is no finite number")
    return float(value)


def _wrong(what: str) -> UsageError:
    return UsageError(f"the state is not usable: {what}", hint="hand on ChatDecision.state, or leave it out")
