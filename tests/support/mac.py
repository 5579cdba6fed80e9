"""A Mac that is none: Core ML is the interpreter, and its clock goes on only when something is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from vibe_router.errors import EngineError
from vibe_router_export.proof.mil_interpreter.program import InterpretedProgram
from vibe_router_tools.measurement.mac.protocols import PlannedOperation
from vibe_router_tools.measurement.mac.report import MacFacts

POWER = """\
**** Processor usage ****
CPU Power: 100 mW
GPU Power: 20 mW
ANE Power: 0 mW
Combined Power (CPU + GPU + ANE): 120 mW

**** Processor usage ****
CPU Power: 300 mW
GPU Power: 40 mW
ANE Power: 2000 mW
Combined Power (CPU + GPU + ANE): 2340 mW
"""


class StandInMac:
    """Answers as a Mac would; see `Mac`."""

    LOADING = 0.5
    PREDICTING = 0.0078125

    def __init__(
        self,
        programs: InterpretedProgram,
        *,
        refused: str = "",
        added: float = 0.0,
        power: str | None = POWER,
        plan_error: str = "",
    ) -> None:
        """`refused` is an engine that does not load, `added` an error of every logit."""
        self._programs = programs
        self._refused, self._added, self._power, self._plan_error = refused, added, power, plan_error
        self._seconds = 0.0

    @property
    def lengths(self) -> Sequence[int]:
        return self._programs.lengths

    def clock(self) -> float:
        return self._seconds

    def pass_time(self, seconds: float) -> None:
        self._seconds += seconds

    def machine(self) -> MacFacts:
        return MacFacts(
            model="stand-in", chip="none", cpus=1, memory_bytes=1, system="none", python="3", coremltools="0"
        )

    def programs(self, engine: str) -> _Timed:
        if engine == self._refused:
            raise EngineError("Core ML refuses")
        # A new engine predicts once to warm up; what is left of the time is for loading.
        self.pass_time(self.LOADING - self.PREDICTING)
        return _Timed(self, self._programs, self._added)

    def plan(self, engine: str, *, tokens: int) -> Sequence[PlannedOperation]:
        if self._plan_error:
            raise EngineError(self._plan_error)
        assert tokens in self.lengths
        device = {"coreml-cpu": "cpu", "coreml-gpu": "gpu"}.get(engine, "neural engine")
        return [PlannedOperation("ios18.gather", "cpu", 0.1), PlannedOperation("ios18.conv", device, 0.9)]

    def meter(self, seconds: int) -> Callable[[], str] | None:
        assert seconds > 0
        power = self._power
        return None if power is None else lambda: power

    def close(self) -> None:
        """Nothing to remove."""


class _Timed:
    def __init__(self, mac: StandInMac, programs: InterpretedProgram, added: float) -> None:
        self._mac, self._programs, self._added = mac, programs, added
        self.lengths = programs.lengths

    def logit(self, input_ids: NDArray[np.int32]) -> float:
        self._mac.pass_time(self._mac.PREDICTING)
        return self._programs.logit(input_ids) + self._added

    def close(self) -> None:
        """The programs serve the next engine."""
