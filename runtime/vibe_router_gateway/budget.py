"""The day's use of the cloud, against its limits; a day is one of UTC, the log's earlier requests of it included."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vibe_router_gateway.config.settings import BudgetSettings, SideSettings

if TYPE_CHECKING:
    from vibe_router_gateway.asked import Asked

_DAY_S = 86400


@dataclass
class Budget:
    """Requests and money that today's cloud requests have used, or may use while they run."""

    settings: BudgetSettings
    day: int = 0
    requests: int = 0
    money: float = 0.0
    _other_days: dict[int, tuple[int, float]] = field(default_factory=dict)
    """A clock that is put back over midnight, and goes on, finds what each day has used."""

    def begin(self, requests: int, money: float) -> None:
        """Start from what the log says of today."""
        self.day, self.requests, self.money = _today(), requests, money

    def left(self, expected: float) -> bool:
        """Return whether one more request of `expected` cost may go to the cloud."""
        self._turn()
        limits = self.settings
        if limits.requests and self.requests >= limits.requests:
            return False
        return not limits.money or self.money + expected <= limits.money

    def used(self) -> tuple[int, float]:
        """Return the requests and the money of today."""
        self._turn()
        return self.requests, self.money

    def reserve(self, expected: float) -> int:
        """Count a request that is sent; return the day, for `settle`."""
        self._turn()
        self.requests += 1
        self.money += expected
        return self.day

    def settle(self, day: int, expected: float, cost: float, *, answered: bool) -> None:
        """Replace what was expected by what it cost; a request that was not answered is not counted."""
        if day != self.day:
            return
        self.money += cost - expected
        if not answered:
            self.requests -= 1

    def _turn(self) -> None:
        today = _today()
        if self.day != today:
            self._other_days[self.day] = self.requests, self.money
            self.day = today
            self.requests, self.money = self._other_days.pop(today, (0, 0.0))


def cost_of(side: SideSettings, input_tokens: int, output_tokens: int) -> float:
    """Return the money that tokens cost: price for a million tokens, input and output apart."""
    return (input_tokens * side.input_price + output_tokens * side.output_price) / 1e6


def expected_cost(side: SideSettings, asked: Asked) -> float:
    """Return the most that a request costs, as far as its body tells."""
    return cost_of(side, asked.tokens - asked.answer_tokens, asked.answer_tokens * asked.choices)


def day_start(now: float | None = None) -> float:
    """Return the Unix second at which the UTC day of `now` began."""
    return (time.time() if now is None else now) // _DAY_S * _DAY_S


def _today() -> int:
    return int(time.time() // _DAY_S)
