"""Options of ONNX Runtime's sessions: one thread, and exact products in int8."""

from __future__ import annotations

from typing import Any

import onnxruntime


def session_options(precision: str) -> Any:
    """Return the options that docs/consumers.md gives for a precision, for one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    if precision == "int8":
        options.add_session_config_entry("session.x64quantprecision", "1")
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    return options
