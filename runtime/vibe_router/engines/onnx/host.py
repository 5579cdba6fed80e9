"""Instructions of this CPU for int8 products."""

from __future__ import annotations

import platform
from pathlib import Path

_X86 = ("x86_64", "amd64", "x64", "i386", "i686")
_CPU_INFO = Path("/proc/cpuinfo")


def int8_products_overflow() -> bool:
    """Return whether fast products of uint8 and int8 may overflow here: on x86 without VNNI, or not known to have it.

    There, two products are added in 16 bits, which saturate at 32,767 where 2 · 255 · 127 would stand
    (https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html). Only Linux tells without help.
    """
    if platform.machine().lower() not in _X86:
        return False
    try:
        return "vnni" not in _CPU_INFO.read_text("utf-8")
    except OSError:
        return True
