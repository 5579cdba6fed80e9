"""The protocol of an engine: token sequences in, logits out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Engine(Protocol):
    """A loaded model on one kind of hardware. Safe to call from several threads.

    An engine may also have `prompt_logits` and `batches_at_once`, as `vibe_router.engines.native.engine` has them.
    """

    @property
    def name(self) -> str:
        """The name that decisions carry, for example "onnx-cpu"."""

    @property
    def file(self) -> str:
        """The bundle's file that runs, as the manifest names it."""

    @property
    def precision(self) -> str:
        """The precision of that file as the manifest names it, for example "fp32"."""

    @property
    def batch_band(self) -> float:
        """How far p_cloud of a prompt in a batch may differ from its p_cloud alone; 0 where both are the same bits."""

    def logits(self, sequences: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        """Return the logits, float32 [n], of n >= 1 sequences, int64 [tokens] each and of any lengths.

        Padding and masks are the engine's own business. An engine that can end a call early does so when
        `vibe_router.engines.cancellation.CURRENT_STOP` asks for it, with an EngineError. The caller checks that the
        logits are finite and complete (`vibe_router.routing.scorer.score`).

        Raises:
            EngineError: the engine failed.
        """

    def close(self) -> None:
        """Release the memory; the engine cannot be used afterwards."""
