"""The time a caller gives a call."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass

from vibe_router.bundle.strict_json import shown
from vibe_router.errors import UsageError
from vibe_router.real_number import real_number


@dataclass(frozen=True)
class Deadline:
    """`at` is on the clock of `time.monotonic`, in seconds; infinity means that there is none."""

    at: float

    @classmethod
    def after(cls, seconds: float | None) -> Deadline:
        """Return the deadline `seconds` from now; None means none, and 0 or less that it has passed already.

        Raises:
            UsageError: not a number.
        """
        if seconds is None:
            return NO_DEADLINE
        number = real_number(seconds)
        if math.isnan(number):
            raise UsageError(f"the timeout {shown(seconds)} is not a number", hint="give seconds, such as 0.2")
        return cls(time.monotonic() + number)

    @property
    def passed(self) -> bool:
        """Whether the time is up."""
        return self.at <= time.monotonic()

    def remaining(self) -> float | None:
        """Return the seconds that are left, at least 0, as locks take them; None means no limit."""
        if math.isinf(self.at) and self.at > 0:
            return None
        return min(max(0.0, self.at - time.monotonic()), threading.TIMEOUT_MAX)


NO_DEADLINE = Deadline(math.inf)
