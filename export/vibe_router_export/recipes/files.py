"""Names of the ONNX files of a bundle, by precision.

The portable graphs have the names under which transformers.js and optimum look for these precisions.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from vibe_router_export.choices import Precision

MODEL_FILES: Mapping[Precision, str] = MappingProxyType(
    {
        Precision.FP32: "onnx/model_fast.onnx",
        Precision.FP16: "onnx/model_fp16.onnx",
        Precision.INT8: "onnx/model_quantized_fast.onnx",
        Precision.INT4: "onnx/model_q4.onnx",
    }
)
"""The graphs that the runtime takes; those in fp16 and int4 are for ONNX Runtime alone."""
MODEL_FILE = MODEL_FILES[Precision.FP32]
PORTABLE_FILES: Mapping[Precision, str] = MappingProxyType(
    {Precision.FP32: "onnx/model.onnx", Precision.INT8: "onnx/model_quantized.onnx"}
)
"""The graphs for other software; the fast graph of the same precision shares their weights."""
PORTABLE = "portable"
"""The manifest's kind of a portable graph. The runtime takes none."""


def weights_file(precision: Precision) -> str:
    """Return the file of the big constants of a precision's graphs, as transformers.js expects it."""
    return f"{PORTABLE_FILES.get(precision, MODEL_FILES[precision])}_data"
