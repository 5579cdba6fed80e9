"""The side that gave each answer of the responses API, because only that side can continue it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from vibe_router.policy import Target

MOST_ANSWERS = 10_000
"""About 2 MB. An older answer is not found again: its follow-up is routed by its own text."""
_LONGEST_ID = 200


class AnsweredBy:
    """The sides of the last answers, by the answers' ids."""

    def __init__(self, known: Iterable[tuple[str, str]] = ()) -> None:
        """Take what a log knows: pairs of id and side, oldest first."""
        self._sides: OrderedDict[str, Target] = OrderedDict()
        for answer_id, side in known:
            self.note(answer_id, Target(side))

    def note(self, answer_id: str, side: Target) -> None:
        """Keep who gave an answer; the oldest is forgotten where there are too many."""
        if len(answer_id) > _LONGEST_ID:
            return
        self._sides[answer_id] = side
        self._sides.move_to_end(answer_id)
        if len(self._sides) > MOST_ANSWERS:
            self._sides.popitem(last=False)

    def side_of(self, answer_id: str | None) -> Target | None:
        """Return who gave the answer, None where nobody knows."""
        return None if answer_id is None else self._sides.get(answer_id)

    def __len__(self) -> int:
        return len(self._sides)
