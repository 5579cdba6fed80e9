"""ONNX Runtime without its telemetry: import it from here and nowhere else.

From 1.29 on, its wheels for Linux and macOS keep a device id and a database of events under the user's cache folder,
send the events to their maker over HTTPS, and run a thread of their own, which makes a forked child hang when it
exits. All of that is off when the variable below is set before the first import; `onnxruntime.disable_telemetry_events`
comes too late for that. A router decides what leaves the device, so nothing leaves it here; a value that the user has
set stays.
"""

from __future__ import annotations

import os

TELEMETRY_VARIABLE = "ORT_DISABLE_TELEMETRY"
os.environ.setdefault(TELEMETRY_VARIABLE, "1")

import onnxruntime  # noqa: E402 - the variable counts at this moment

__all__ = ["NOT_AT_LOAD", "READ_AS_ONNX", "TELEMETRY_VARIABLE", "onnxruntime", "telemetry_disabled"]

READ_AS_ONNX = ("session.load_model_format", "ONNX")
"""The session entry without which ONNX Runtime guesses a file's format from its first bytes."""
NOT_AT_LOAD = ["ConstantFolding"]
"""Optimisers that compute a graph's constants while it is loaded, however large; an exported graph has none to fold."""


def telemetry_disabled() -> bool:
    """Return whether the environment asks ONNX Runtime to send nothing."""
    return os.environ.get(TELEMETRY_VARIABLE, "").lower() in ("1", "true", "yes", "on")
