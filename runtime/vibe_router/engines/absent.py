"""The place of an engine that this process cannot load again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vibe_router.engines.protocol import Engine
from vibe_router.errors import EngineError, VibeRouterError


class AbsentEngine:
    """Stands for an engine that could not be loaded: it has its name, and every call fails with the reason."""

    def __init__(self, engine: Engine, failure: VibeRouterError) -> None:
        self.name = engine.name
        self.file = engine.file
        self.precision = engine.precision
        self.batch_band = engine.batch_band
        self._failure = failure

    def logits(self, sequences: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:  # noqa: ARG002
        """Raise an EngineError whose cause is the failure."""
        raise EngineError(
            f"this process could not load the engine again: {self._failure.message}", hint=self._failure.hint
        ) from self._failure

    def close(self) -> None:
        """Do nothing."""
