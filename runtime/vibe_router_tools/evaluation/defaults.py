"""The settings of figures unless told otherwise; without numpy, so that --help stays quick."""

from __future__ import annotations

from enum import Enum


class Binning(str, Enum):
    """How scores are binned: by rank into equally filled bins, or by value into equally wide ones."""

    EQUAL_COUNT = "equal-count"
    EQUAL_WIDTH = "equal-width"


BINS = 15
"""Bins of the expected calibration error."""

MISS_BOUND = 0.9
"""A prompt kept on the device counts as a catastrophic miss from this preference for the cloud upwards."""

CONFIDENCE = 0.95
"""Confidence of every interval and promise."""

RESAMPLES = 1000
"""Samples of the bootstrap."""

CARD_THRESHOLDS = (0.53, 0.63, 0.78, 0.89, 0.94, 0.99)
"""The thresholds of the model card's sweep."""

HELD_OUT_SHARE = 0.3
"""Share of a user's prompts that a chosen threshold is checked on."""

TOLERANCE = 0.05
"""How far the true cloud rate may lie from the target that was asked for."""
