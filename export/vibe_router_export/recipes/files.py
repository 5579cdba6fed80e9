"""Names of the ONNX files of a bundle, by precision: those under which transformers.js and optimum look for them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from vibe_router_export.choices import Precision

MODEL_FILES: Mapping[Precision, str] = MappingProxyType(
    {
        Precision.FP32: "onnx/model.onnx",
        Precision.FP16: "onnx/model_fp16.onnx",
        Precision.INT8: "onnx/model_quantized.onnx",
        Precision.INT4: "onnx/model_q4.onnx",
    }
)
