"""Many token sequences through an engine: similar lengths together, under a budget of tokens a batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from vibe_router.engines.protocol import Engine
from vibe_router.errors import EngineError, VibeRouterError

# Where a CPU's throughput is highest, from nano to base: fewer tokens leave it waiting for weights, more no longer fit
# into its caches. docs/speed.md has the measurement.
_TOKEN_BUDGET = 256


def score(engine: Engine, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the engine's logits, float32 [batch], of ids and mask, int64 [batch, sequence].

    Raises:
        EngineError: the engine failed in whatever way, or gave anything but one finite number a sequence.
    """
    try:
        logits = np.asarray(engine.logits(input_ids, attention_mask))
    except VibeRouterError:
        raise
    except Exception as error:
        raise EngineError(f"the engine {engine.name} failed with {type(error).__name__}") from error
    # What is finite is a score: the sigmoid of any finite logit lies within 0..1.
    if logits.dtype.kind != "f" or logits.shape != (len(input_ids),) or not np.isfinite(logits).all():
        raise EngineError(
            f"the engine {engine.name} gave something that is not one finite logit a prompt",
            hint="run `vibe-router verify` on this bundle",
        )
    return logits.astype(np.float32, copy=False)


def score_alone(engine: Engine, ids: NDArray[np.int64]) -> float:
    """Return the logit of one sequence, int64 [tokens].

    Raises:
        EngineError: as `score`.
    """
    input_ids = ids[np.newaxis, :]
    return float(score(engine, input_ids, np.ones_like(input_ids))[0])


def pad(sequences: Sequence[NDArray[np.int64]], *, pad_token_id: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return ids and mask, int64 [sequences, longest], of sequences int64 [tokens]; padding stands at the end."""
    lengths = np.array([len(sequence) for sequence in sequences])
    attention_mask = (np.arange(lengths.max()) < lengths[:, np.newaxis]).astype(np.int64)
    input_ids = np.full(attention_mask.shape, pad_token_id, np.int64)
    input_ids[attention_mask.astype(bool)] = np.concatenate(sequences)
    return input_ids, attention_mask


def batches(lengths: Sequence[int], *, budget: int = _TOKEN_BUDGET) -> Iterator[list[int]]:
    """Yield the indices of sequences of these `lengths`, grouped by length.

    A padded group holds at most `budget` tokens, or one sequence.
    """
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[index] > budget:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
