"""Smaller weights for Core ML: int8, or palettes of 64 or 16 values, on convolutions and the embedding table only."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vibe_router_export.choices import WeightFormat

_BITS = {WeightFormat.PAL6: 6, WeightFormat.PAL4: 4}
_ITERATIONS = 60
# Whose constants are compressed: matrices and the table. RoPE tables and masks stay as they are.
_COMPRESSED = ("conv", "linear", "gather")


class Compressor:
    """Compresses models of the same weights; a palette is searched once for all of them."""

    def __init__(self, weights: WeightFormat) -> None:
        self._weights = weights
        self._palettes: dict[bytes, tuple[NDArray[Any], NDArray[np.uint8]]] = {}

    def compress(self, model: Any) -> Any:
        """Return a compressed copy of a coremltools model, or the model itself for fp16."""
        import coremltools.optimize.coreml as optimize

        if self._weights is WeightFormat.FP16:
            return model
        if self._weights is WeightFormat.INT8:
            settings = optimize.OpLinearQuantizerConfig(
                mode="linear_symmetric", dtype="int8", granularity="per_channel"
            )
            kinds = optimize.OptimizationConfig(op_type_configs=dict.fromkeys(_COMPRESSED, settings))
            return optimize.linear_quantize_weights(model, kinds)
        palettes = optimize.OpPalettizerConfig(mode="custom", lut_function=self._palette)
        kinds = optimize.OptimizationConfig(op_type_configs=dict.fromkeys(_COMPRESSED, palettes))
        return optimize.palettize_weights(model, kinds)

    def _palette(self, weight: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        key = hashlib.sha256(weight.tobytes()).digest()
        if key not in self._palettes:
            values, indices = nearest_palette(weight, bits=_BITS[self._weights])
            self._palettes[key] = values.astype(weight.dtype), indices.reshape(-1)
        return self._palettes[key]


def nearest_palette(weight: NDArray[Any], *, bits: int) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Return 2^bits values, ascending, and the index of the nearest one for every weight, in its shape.

    Lloyd's algorithm (1982), started at quantiles. It runs on the distinct values and their counts, of which fp16 has
    at most 65,536 whatever the size of the matrix.
    """
    distinct, inverse, counts = np.unique(weight, return_inverse=True, return_counts=True)
    points = distinct.astype(np.float64)
    total, mass = np.cumsum(counts * points), np.cumsum(counts)
    quantiles = (np.arange(2**bits) + 0.5) / 2**bits * mass[-1]
    palette = points[np.searchsorted(mass, quantiles).clip(max=len(points) - 1)]
    for _ in range(_ITERATIONS):
        ends = np.searchsorted(points, (palette[1:] + palette[:-1]) / 2)
        edges = np.concatenate([[0], ends, [len(points)]])
        sums = np.diff(np.concatenate([[0.0], total])[edges])
        sizes = np.diff(np.concatenate([[0], mass])[edges])
        moved = np.where(sizes > 0, sums / np.maximum(sizes, 1), palette)
        if np.array_equal(moved, palette):
            break
        palette = moved
    nearest = np.searchsorted((palette[1:] + palette[:-1]) / 2, points).astype(np.uint8)
    return palette, nearest[inverse].reshape(weight.shape)
