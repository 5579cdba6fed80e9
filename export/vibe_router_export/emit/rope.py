"""Tables of rotary position embeddings, shared by all targets so that they rotate by the same numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def rope_tables(positions: int, head_size: int, theta: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return cosine and sine of position · theta^(-2k / head_size), each float32 [positions, head_size / 2].

    The angles are float32 products as in transformers' `ModernBertRotaryEmbedding`; at position 500 their rounding
    is worth 3e-5, so computing them more precisely would move away from the reference.
    """
    exponents = np.arange(0, head_size, 2, dtype=np.float32) / np.float32(head_size)
    frequencies = np.float32(1) / np.float32(theta) ** exponents
    angles = np.arange(positions, dtype=np.float32)[:, None] * frequencies[None, :]
    return np.cos(angles), np.sin(angles)
