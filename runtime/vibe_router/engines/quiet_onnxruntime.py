"""ONNX Runtime without its telemetry: import it from here and nowhere else.

From 1.29 on, its wheels for Linux and macOS send events to their maker over HTTPS, keep an identifier in the user's
cache folder and run a thread of their own, which makes a forked child hang when it exits. All of that is off when
ORT_DISABLE_TELEMETRY is set before the first import, and cannot be turned off wholly after it. A value that the user
has set stays.
"""

from __future__ import annotations

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

__all__ = ["onnxruntime", "telemetry_disabled"]


def telemetry_disabled() -> bool:
    """Return whether the environment asks ONNX Runtime to send nothing."""
    return os.environ.get("ORT_DISABLE_TELEMETRY", "").lower() in ("1", "true", "yes", "on")
