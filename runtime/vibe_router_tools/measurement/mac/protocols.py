"""The protocol of a Mac. `system` asks a real one; tests put the project's interpreter in its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from vibe_router.engines.coreml.engine import FixedLengthProgram
from vibe_router_tools.measurement.mac.report import MacFacts


@dataclass(frozen=True)
class PlannedOperation:
    """One operation as Core ML means to run it: on which device, with which share of its function's work.

    Both are None where Core ML does not say, as it does for constants. `kind` is the name in the compiled model, such
    as "ios18.conv".
    """

    kind: str
    device: str | None
    cost: float | None


class Mac(Protocol):
    """A Mac, and one engine file of a bundle on it."""

    @property
    def lengths(self) -> Sequence[int]:
        """The lengths that the file has functions for, ascending.

        Raises:
            EngineError: Core ML cannot compile it.
        """

    def machine(self) -> MacFacts:
        """Return what the Mac is."""

    def programs(self, engine: str) -> FixedLengthProgram:
        """Load the file afresh on the hardware that an engine's name stands for.

        Raises:
            EngineError: Core ML refuses.
        """

    def plan(self, engine: str, *, tokens: int) -> Sequence[PlannedOperation]:
        """Return what Core ML means to do with each operation of the function for `tokens` ids.

        Raises:
            EngineError: Core ML gives no plan.
        """

    def meter(self, seconds: int) -> Callable[[], str] | None:
        """Start `powermetrics` for so many seconds; return what waits for its text, or None where it is not permitted.

        The returned function raises EngineError when powermetrics fails.
        """
