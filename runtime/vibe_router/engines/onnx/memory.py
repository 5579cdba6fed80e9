"""Memory that is free goes back to the system."""

from __future__ import annotations

import ctypes
import sys


def return_free_memory() -> None:
    """Have the C library give back what it keeps for later, where it can be asked to (glibc).

    ONNX Runtime's weights are thousands of blocks that glibc would keep: a process would stay as large as it was.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
