"""What can be chosen in training, by name; commands import this for their help, so it imports nothing heavy."""

from __future__ import annotations

from enum import Enum


class Precision(str, Enum):
    """Arithmetic of the forward and backward pass; weights and optimiser stay in fp32."""

    AUTO = "auto"
    BF16 = "bf16"
    FP32 = "fp32"


class Objective(str, Enum):
    """What is minimised: the distillation loss above, or plain cross-entropy against the soft label."""

    PID = "pid"
    CROSS_ENTROPY = "cross-entropy"


class OptimizerKind(str, Enum):
    """What moves the weights."""

    ADAMW = "adamw"
    MUON = "muon"
