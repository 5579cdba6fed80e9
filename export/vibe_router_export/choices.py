"""The choices that commands offer. Nothing here imports anything heavy, so that `--help` can name them all."""

from __future__ import annotations

from enum import Enum

from vibe_router.engines import choice


class Precision(str, Enum):
    """How a file computes most of its matrix products."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"
    INT4 = "int4"


class ReferenceChoice(str, Enum):
    """What to prove against: AUTO is TRANSFORMERS if torch and transformers are installed, else NONE."""

    AUTO = "auto"
    TRANSFORMERS = "transformers"
    NONE = "none"


class EngineName(str, Enum):
    """Engines that run on any machine's CPU, under the runtime's names."""

    ONNX_CPU = choice.ONNX_CPU
    NATIVE_CPU = choice.NATIVE_CPU


class Size(str, Enum):
    """Sizes of models from scratch: BASE is exactly ModernBERT-base (149 M parameters), NANO the bundled router."""

    NANO = "nano"
    BASE = "base"


class RuntimeFormat(str, Enum):
    """What other runtimes want: ONNX Runtime's own format, or a model repository of Triton."""

    ORT = "ort"
    TRITON = "triton"


class Layout(str, Enum):
    """Memory layout of Core ML activations, named after the hardware it suits."""

    ANE = "ane"
    GPU = "gpu"


class WeightFormat(str, Enum):
    """Storage of Core ML matrices: whole, int8 with a scale a channel, or indices into 64 or 16 values."""

    FP16 = "fp16"
    INT8 = "int8"
    PAL6 = "pal6"
    PAL4 = "pal4"


class Target(str, Enum):
    """The oldest system that Core ML packages run on. Only macOS 15 (iOS 18) reads several functions in a package."""

    MACOS14 = "macos14"
    MACOS15 = "macos15"
