"""Core ML: programs of fixed lengths, on the Neural Engine, the GPU or the CPU of a Mac."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from vibe_router.errors import EngineError

if TYPE_CHECKING:
    from vibe_router.bundle.bundle import Bundle
    from vibe_router.bundle.manifest import EngineFile


class FixedLengthProgram(Protocol):
    """A model that takes exactly so many ids as one of its `lengths`; what runs it may be Core ML or a stand-in."""

    @property
    def lengths(self) -> Sequence[int]:
        """The lengths that the program has functions for, ascending."""

    def logit(self, input_ids: NDArray[np.int32]) -> float:
        """Return the logit of ids, int32 [1, one of `lengths`], filled up with the padding id.

        Raises:
            EngineError: the program cannot be loaded or fails.
        """

    def close(self) -> None:
        """Release the memory."""


class CoreMLEngine:
    """Each sequence goes through the shortest function that it fits, filled up with the padding id."""

    # Each sequence is predicted alone, whatever the batch.
    batch_band = 0.0

    def __init__(self, program: FixedLengthProgram, *, name: str, file: str, precision: str, pad_token_id: int) -> None:
        """Run one prediction with the shortest function, so that the first prompt does not pay for loading.

        Raises:
            EngineError: that prediction failed, or the program has no function.
        """
        self.name = name
        self.file = file
        self.precision = precision
        self._program: FixedLengthProgram | None = program
        self._pad_token_id = pad_token_id
        # Core ML does not say that a loaded model may predict in several threads at once.
        self._lock = threading.Lock()
        self._lengths = tuple(program.lengths)
        if not self._lengths:
            raise EngineError(f"{file} has no function", hint="export the bundle again")
        # Padding alone would be a mean over no token.
        self._logit(np.array([1 if pad_token_id == 0 else 0], np.int64))

    def logits(self, sequences: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        """Return the logits, float32 [n], of sequences, int64 [tokens]; see `Engine.logits`."""
        return np.array([self._logit(ids) for ids in sequences], np.float32)

    def close(self) -> None:
        """Drop the program and with it its memory."""
        with self._lock:
            if self._program is not None:
                self._program.close()
            self._program = None

    def _logit(self, ids: NDArray[np.int64]) -> float:
        fitting = [length for length in self._lengths if length >= len(ids)]
        if not fitting:
            raise EngineError(
                f"{self.file} has no function for {len(ids)} tokens, only for {', '.join(map(str, self._lengths))}",
                hint="export the bundle again with a length that covers its max_tokens",
            )
        padded = np.full((1, min(fitting)), self._pad_token_id, np.int32)
        padded[0, : len(ids)] = ids
        with self._lock:
            if self._program is None:
                raise EngineError(f"the engine {self.name} has been closed", hint="load the router again")
            return self._program.logit(padded)


def load(bundle: Bundle, file: EngineFile, *, name: str) -> CoreMLEngine:
    """Return the engine of a bundle's package; `name` says which hardware Core ML may use.

    Raises:
        MissingExtraError: coremltools is not installed.
        EngineError: as `CoreMLEngine`.
    """
    from vibe_router.engines.coreml.models import load_programs

    return CoreMLEngine(
        load_programs(bundle, file, engine=name),
        name=name,
        file=file.file,
        precision=file.precision,
        pad_token_id=bundle.manifest.pad_token_id,
    )
