"""What can be chosen about a Core ML package. Imports nothing heavy, so that a command line can offer it."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from enum import Enum


class Layout(str, Enum):
    """How activations lie in memory, by the hardware that likes it."""

    ANE = "ane"
    GPU = "gpu"


class Precision(str, Enum):
    """Arithmetic and weights of the program. Scores are fp32 at the boundary either way."""

    FP16 = "fp16"
    FP32 = "fp32"


class WeightFormat(str, Enum):
    """How matrices and the embedding table are stored: whole, per-channel int8, or as indices into 64 or 16 values."""

    FP16 = "fp16"
    INT8 = "int8"
    PAL6 = "pal6"
    PAL4 = "pal4"


class Target(str, Enum):
    """The oldest system that the packages run on. Only macOS 15 (iOS 18) reads several functions in one package."""

    MACOS14 = "macos14"
    MACOS15 = "macos15"


@contextlib.contextmanager
def quiet_coremltools() -> Iterator[None]:
    """Keep coremltools' progress bars and notes off a terminal that belongs to the caller."""
    logger = logging.getLogger("coremltools")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
