"""An engine that fails on chosen prompts, in each of the ways an engine can."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from vibe_router.engines.protocol import Engine


class Fault(Enum):
    """What the engine does instead of answering."""

    RAISE = "raises"
    NAN = "gives NaN"
    SHAPE = "gives too many logits"
    LATE = "answers after the deadline"


LATE_SECONDS, TIMEOUT_SECONDS = 0.06, 0.02


class FaultyEngine:
    """Passes everything to an engine but batches that hold a chosen sequence of ids."""

    def __init__(self, engine: Engine, faults: Mapping[tuple[int, ...], Fault]) -> None:
        self.name, self.file, self.precision = engine.name, engine.file, engine.precision
        self.batch_band = engine.batch_band
        self._engine = engine
        self._faults = faults

    def logits(self, sequences: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        """See `Engine.logits`."""
        for ids in sequences:
            fault = self._faults.get(tuple(ids.tolist()))
            if fault is Fault.RAISE:
                raise RuntimeError("an injected fault")
            if fault is Fault.NAN:
                return np.full(len(sequences), np.nan, np.float32)
            if fault is Fault.SHAPE:
                return np.zeros(len(sequences) + 1, np.float32)
            if fault is Fault.LATE:
                time.sleep(LATE_SECONDS)
        return self._engine.logits(sequences)

    def close(self) -> None:
        """See `Engine.close`."""
        self._engine.close()
