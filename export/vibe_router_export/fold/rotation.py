"""Orthogonal matrices that spread a spike in one channel over all channels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

_PALEY = 11


def mean_keeping_rotation(width: int, *, seed: int = 0) -> Matrix:
    """Return an orthogonal [width, width] matrix Q with Q · 1 = 1 and entries near 1 / sqrt(width).

    Q = R H D: signs D drawn at random, a Hadamard matrix H whose entries are all equally large, and the reflection R
    (Householder 1958) that takes H D · 1 back to 1. Because the mean over channels stays where it is, and orthogonal
    matrices keep variances, LayerNorm(Q x) = Q LayerNorm(x). Rotating a transformer's residual stream this way is
    QuaRot (Ashkboos et al. 2024, arXiv:2404.00456).
    """
    if width < 2:
        return np.ones((width, width))
    random = np.random.default_rng(seed)
    signs = random.choice([-1.0, 1.0], width)
    spread = spreading_matrix(width, random) * signs
    ones = np.full(width, width**-0.5)
    normal = spread @ ones - ones
    length = normal @ normal
    if length < 1e-12:
        return np.asarray(spread)
    reflected: Matrix = spread - np.outer(normal, 2 / length * (normal @ spread))
    return reflected


def spreading_matrix(width: int, random: np.random.Generator) -> Matrix:
    """Return an orthogonal [width, width] matrix: a Hadamard matrix / sqrt(width) wherever one is known here.

    Sylvester's construction gives the power of two in `width`, Paley's a factor of 12 (768 = 12 · 64); an odd factor
    that is left over gets a random orthogonal block.
    """
    odd = width // (width & -width)
    if odd == 3 and width % 12 == 0:
        block, rest = _paley(), width // 12
    else:
        block, rest = _random_orthogonal(odd, random), width // odd
    sylvester = np.ones((1, 1))
    while len(sylvester) < rest:
        sylvester = np.block([[sylvester, sylvester], [sylvester, -sylvester]])
    return np.kron(block, sylvester / rest**0.5)


def _paley() -> Matrix:
    """Return the Hadamard matrix of order 12, divided by sqrt(12), from the quadratic residues modulo 11."""
    squares = {value * value % _PALEY for value in range(1, _PALEY)}
    character = np.array([0.0] + [1.0 if value in squares else -1.0 for value in range(1, _PALEY)])
    position = np.arange(_PALEY)
    skew = np.zeros((_PALEY + 1, _PALEY + 1))
    skew[0, 1:], skew[1:, 0] = 1, -1
    skew[1:, 1:] = character[(position[:, None] - position[None, :]) % _PALEY]
    hadamard: Matrix = (skew + np.eye(_PALEY + 1)) / (_PALEY + 1) ** 0.5
    return hadamard


def _random_orthogonal(width: int, random: np.random.Generator) -> Matrix:
    orthogonal, _ = np.linalg.qr(random.standard_normal((width, width)))
    result: Matrix = orthogonal
    return result
