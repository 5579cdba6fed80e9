"""Find the linear layers whose input carries massive activations (Sun et al. 2024, arXiv:2402.17762).

int8 products round an activation tensor with one scale for all tokens. Where one token carries a value far outside
what the others have, the scale fits that value and the others are flattened; the weights that make such a value out
of an ordinary input do the same to their row. Both show in one number: how far the layer's output for a typical
token is off. It is 1 to 3 % in an ordinary layer, trained or random, up to 4 % where a norm has tamed a spike, and
16 to 34 % in the layer that writes one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vibe_router.engines.onnx.padding import pad
from vibe_router_export.checkpoint.weights import Linear, ModernBertWeights
from vibe_router_export.emit.numpy.quantized import round_to_uint8
from vibe_router_export.emit.numpy.values import Values
from vibe_router_export.emit.quantize import MatrixFormat, encoder_linears, restored
from vibe_router_export.observe.activations import watch_linears

_BATCH = 16
_SPIKING = 0.08


@dataclass(frozen=True)
class InputRange:
    """What int8 meets in one linear layer.

    `tensor` is the widest range (largest minus least value, 0 counted in) of a batch and `token` the median range of
    one token. `error` is the relative error of the layer's int8 output for the median token.
    """

    name: str
    tensor: float
    token: float
    error: float

    @property
    def spiking(self) -> bool:
        """Whether a few tokens spoil all others."""
        return self.error > _SPIKING

    def __str__(self) -> str:
        return (
            f"its input spans {self.tensor:.4g} over a batch and {self.token:.4g} over a typical token, "
            f"whose int8 output would be off by {self.error:.1%}"
        )


@dataclass
class _Seen:
    tensor: list[float] = field(default_factory=list)
    tokens: list[Values] = field(default_factory=list)
    errors: list[Values] = field(default_factory=list)


def input_ranges(
    weights: ModernBertWeights, sequences: Sequence[NDArray[np.int64]], *, pad_token_id: int
) -> tuple[InputRange, ...]:
    """Run `sequences` (ids, int64 [tokens] each) in padded batches and return the encoder's linears in order."""
    seen = {linear.weight.name: _Seen() for linear in encoder_linears(weights)}
    by_length = sorted(sequences, key=len)
    for start in range(0, len(by_length), _BATCH):
        ids, mask = pad(by_length[start : start + _BATCH], pad_token_id=pad_token_id)
        keep = mask.astype(bool)

        def note(layer: Linear, x: Values, y: Values, keep: NDArray[np.bool_] = keep) -> None:
            if layer.weight.name in seen:
                _note(seen[layer.weight.name], layer, x, y, keep)

        watch_linears(weights, ids, mask, note)
    return tuple(
        InputRange(
            name,
            max(one.tensor),
            float(np.median(np.concatenate(one.tokens))),
            float(np.median(np.concatenate(one.errors))),
        )
        for name, one in seen.items()
    )


def _note(seen: _Seen, layer: Linear, x: Values, y: Values, keep: NDArray[np.bool_]) -> None:
    span = x.max(axis=-1).clip(min=0) - x.min(axis=-1).clip(max=0)
    seen.tensor.append(float(max(x.max(), 0) - min(x.min(), 0)))
    seen.tokens.append(span[keep])
    rounded = round_to_uint8(x)[keep] @ restored(layer.weight, MatrixFormat.INT8).T
    exact = y[keep] if layer.bias is None else y[keep] - layer.bias.value
    size = np.linalg.norm(exact, axis=-1)
    seen.errors.append(np.linalg.norm(rounded - exact, axis=-1) / np.where(size == 0, np.float32(1), size))
