"""The text that stands for each turn: what the user asks, with what the turn leans on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from vibe_router.conversation.leaning import Kind, kind_of
from vibe_router.conversation.messages import Span, UserTurn
from vibe_router.conversation.policy import ChatPolicy


@dataclass(frozen=True)
class Ask:
    """The text to score for one turn, and where it is; a bare turn has that of the turn it leans on."""

    kind: Kind
    text: str = field(repr=False)
    spans: tuple[Span, ...]


_NOTHING = UserTurn("", ())


def asks_of(turns: Sequence[UserTurn], policy: ChatPolicy) -> list[Ask]:
    """Return one ask a turn for the last `policy.replayed_turns` turns, at least one.

    The first stands by itself, with what it leans on. A leaning turn is read after the last turn that stands by itself.
    """
    read = turns or (_NOTHING,)
    first = max(0, len(read) - policy.replayed_turns)
    # What the first of them leans on may have been said before.
    begin = first
    while begin and _kind_of(read[begin], policy) in (Kind.BARE, Kind.LEANING):
        begin -= 1
    asks: list[Ask] = []
    anchor = read[begin]
    for turn in read[begin:]:
        kind = _kind_of(turn, policy) if asks else Kind.OWN
        if kind is Kind.BARE:
            asks.append(Ask(kind, asks[-1].text, asks[-1].spans))
        elif kind is Kind.LEANING:
            asks.append(Ask(kind, f"{anchor.text}\n{turn.text}", anchor.spans + turn.spans))
        else:
            anchor = turn
            asks.append(Ask(kind, turn.text, turn.spans))
    asks = asks[first - begin :]
    return [replace(asks[0], kind=Kind.OWN), *asks[1:]]


def _kind_of(turn: UserTurn, policy: ChatPolicy) -> Kind:
    if not turn.text.strip():
        return Kind.BARE
    return kind_of(turn.text, bare_words=policy.bare_words, leaning_words=policy.leaning_words)
