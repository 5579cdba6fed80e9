"""The logistic function and its inverse, safe at both ends, and temperature scaling of scores."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

SMALLEST_PROBABILITY = 2.0**-52
"""The distance from 0 and 1 that saturated scores are kept at; next to 1, float64 is hardly finer."""


def sigmoid(logits: npt.ArrayLike) -> FloatArray:
    """Return 1 / (1 + exp(-logits)) elementwise as float64, without overflow."""
    values = np.asarray(logits, dtype=np.float64)
    small = np.exp(-np.abs(values))
    return np.asarray(np.where(values >= 0, 1.0, small) / (1.0 + small), dtype=np.float64)


def logit(probabilities: npt.ArrayLike) -> FloatArray:
    """Return log(p / (1 - p)) elementwise as float64.

    Probabilities within SMALLEST_PROBABILITY of 0 or 1 are taken at that distance, so that saturated scores
    stay finite (|logit| <= 36.05).
    """
    values = np.asarray(probabilities, dtype=np.float64)
    clipped = np.clip(values, SMALLEST_PROBABILITY, 1.0 - SMALLEST_PROBABILITY)
    return np.asarray(np.log(clipped) - np.log1p(-clipped), dtype=np.float64)


def raw_from_calibrated(calibrated: npt.ArrayLike, temperature: float) -> FloatArray:
    """Return sigmoid(temperature * logit(calibrated)): the score before temperature scaling.

    Inverse of p_cloud = sigmoid(z / temperature) with raw = sigmoid(z) (Guo et al. 2017, arXiv 1706.04599).
    """
    return sigmoid(temperature * logit(calibrated))


def calibrated_from_raw(raw: npt.ArrayLike, temperature: float) -> FloatArray:
    """Return sigmoid(logit(raw) / temperature): the score after temperature scaling (arXiv 1706.04599)."""
    return sigmoid(logit(raw) / temperature)
