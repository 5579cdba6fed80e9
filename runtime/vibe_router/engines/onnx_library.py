"""ONNX Runtime, imported without its telemetry.

Its wheels on PyPI (seen in 1.32) keep a device id and a database of events under the user's cache folder, to be sent to
their maker, unless this variable is set before the library is imported; `onnxruntime.disable_telemetry_events` comes
too late for that. A router decides what leaves the device, so nothing leaves it here; a caller who has set the
variable keeps his value.
"""

from __future__ import annotations

import os

TELEMETRY_VARIABLE = "ORT_DISABLE_TELEMETRY"
os.environ.setdefault(TELEMETRY_VARIABLE, "1")

import onnxruntime  # noqa: E402 - the variable counts at this moment

__all__ = ["TELEMETRY_VARIABLE", "onnxruntime"]
