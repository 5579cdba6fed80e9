"""One row of the decision log."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum


class Outcome(str, Enum):
    """How a request ended."""

    OPEN = "open"
    """It has not; where its run is over, the process was killed."""
    ANSWERED = "answered"
    REFUSED = "refused"
    """By the gateway, before any side was asked."""
    FAILED = "failed"
    """No side answered; the client has an error."""
    BROKEN = "broken"
    """The stream ended with an error event."""
    LEFT = "left"
    """The client did not wait for the end."""


@dataclass
class Entry:
    """What is known of a request; filled while it is answered. Times are in milliseconds, `time` in Unix seconds."""

    id: str
    time: float
    path: str = ""
    asked_model: str = ""
    stream: bool = False
    target: str | None = None
    reason: str | None = None
    p_cloud: float | None = None
    threshold: float | None = None
    profile: str | None = None
    scorer: str | None = None
    """Identifies the model that gave the score, as in a histogram's file."""
    held_out: bool | None = None
    """Whether calibration checks with this prompt rather than choosing with it; a hash decides."""
    scored_tokens: int | None = None
    side: str | None = None
    outcome: str = Outcome.OPEN.value
    status: int | None = None
    code: str | None = None
    faults: str | None = None
    score_ms: float | None = None
    first_byte_ms: float | None = None
    total_ms: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    estimated: bool | None = None
    """Whether the tokens were counted by the gateway because the upstream does not say."""
    cost: float | None = None
    answer_id: str | None = None
    """The id of an answer of the responses API, by which the next request can refer to it."""

    def row(self) -> tuple[object, ...]:
        """Return the values in the order of `COLUMNS`."""
        return tuple(getattr(self, name) for name in COLUMNS)


COLUMNS = tuple(item.name for item in fields(Entry))
