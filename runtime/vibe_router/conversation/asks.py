"""The text that stands for each turn: what the user asks, with what the turn leans on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

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

    The first stands by itself. A leaning turn is read after the last turn that stands by itself.
    """
    replayed = turns[-policy.replayed_turns :] or (_NOTHING,)
    asks: list[Ask] = []
    anchor = replayed[0]
    for turn in replayed:
        if not asks:
            kind = Kind.OWN
        elif not turn.text.strip():
            kind = Kind.BARE
        else:
            kind = kind_of(turn.text, bare_words=policy.bare_words, leaning_words=policy.leaning_words)
        if kind is Kind.BARE:
            asks.append(Ask(kind, asks[-1].text, asks[-1].spans))
        elif kind is Kind.LEANING:
            asks.append(Ask(kind, f"{anchor.text}\n{turn.text}", anchor.spans + turn.spans))
        else:
            anchor = turn
            asks.append(Ask(kind, turn.text, turn.spans))
    return asks
