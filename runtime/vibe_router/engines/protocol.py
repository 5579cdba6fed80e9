"""What an engine is to the rest of the runtime."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Engine(Protocol):
    """A loaded graph on one kind of hardware. Safe to call from several threads."""

    @property
    def name(self) -> str:
        """The name that decisions carry, for example "onnx-cpu"."""

    @property
    def file(self) -> str:
        """The bundle's file that runs, as the manifest names it."""

    @property
    def precision(self) -> str:
        """The precision of that file as the manifest names it, for example "fp32"."""

    def logits(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the logits, float32 [batch], of ids and mask, int64 [batch, sequence].

        The mask is 1 for a token and 0 for padding, which stands at the end. An engine that can end a call early
        does so when `vibe_router.engines.cancellation.CURRENT_STOP` asks for it, with an EngineError.

        Raises:
            EngineError: the engine failed, or a logit is not finite.
        """

    def close(self) -> None:
        """Release the memory; the engine cannot be used afterwards."""
