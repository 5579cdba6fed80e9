"""Operations that make a constant out of a compressed one. They run when a model is loaded, not when it predicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vibe_router.errors import EngineError

Arguments = Mapping[str, Any]


def _affine(arguments: Arguments) -> NDArray[Any]:
    """(data - zero point) * scale, both a channel of `axis` or one for all (iOS 16)."""
    data = arguments["quantized_data"]
    shape = [-1 if index == int(arguments["axis"]) else 1 for index in range(data.ndim)]

    def a_channel(name: str) -> NDArray[np.float32]:
        value = np.asarray(arguments[name], np.float32)
        return value.reshape(shape) if value.ndim else value

    values: NDArray[Any] = (data.astype(np.float32) - a_channel("zero_point")) * a_channel("scale")
    return values


def _blockwise(arguments: Arguments) -> NDArray[Any]:
    """(data - offset) * scale, with a scale for each block of the data (iOS 18)."""
    data = arguments["data"]

    def spread(value: NDArray[Any]) -> NDArray[np.float32]:
        for axis, (whole, blocks) in enumerate(zip(data.shape, value.shape, strict=True)):
            value = np.repeat(value, whole // blocks, axis=axis)
        return value.astype(np.float32)

    offset = spread(arguments["offset"]) if "offset" in arguments else np.float32(0)
    values: NDArray[Any] = (data.astype(np.float32) - offset) * spread(arguments["scale"])
    return values


def _palette(arguments: Arguments) -> NDArray[Any]:
    """Values looked up by indices; packed bits and an explicit shape in iOS 16, one index a weight in iOS 18."""
    table = np.asarray(arguments["lut"])
    if "shape" not in arguments:
        if table.size != table.shape[-2]:
            raise EngineError("the MIL interpreter does not know palettes for groups or vectors")
        looked_up: NDArray[Any] = table.reshape(-1)[arguments["indices"]]
        return looked_up
    shape = tuple(int(size) for size in arguments["shape"])
    bits, count = len(table).bit_length() - 1, int(np.prod(shape))
    stream = np.unpackbits(arguments["indices"], bitorder="little")[: count * bits].reshape(count, bits)
    indices = (stream * (1 << np.arange(bits)).astype(np.uint8)).sum(axis=1, dtype=np.uint8)
    values: NDArray[Any] = table[indices].reshape(shape)
    return values


DECOMPRESSIONS: dict[str, Callable[[Arguments], NDArray[Any]]] = {
    "constexpr_affine_dequantize": _affine,
    "constexpr_blockwise_shift_scale": _blockwise,
    "constexpr_lut_to_dense": _palette,
}
"""Every form of compression that can be undone, by its MIL name."""
