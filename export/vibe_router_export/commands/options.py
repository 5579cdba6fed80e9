"""Arguments and options that several commands share."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

CheckpointArgument = Annotated[str, typer.Argument(metavar="CHECKPOINT", help="A folder, or a hub id org/name.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace the target, once the new one is whole.")]
PromptsOption = Annotated[
    Path | None, typer.Option("--prompts", help="JSONL of prompts to prove on, beside the golden ones.")
]

BandOption = Annotated[
    float,
    typer.Option(min=0, max=1, help="Below fp32: a decision may differ where |p - threshold| is less than this."),
]
MaxFlipsOption = Annotated[
    int, typer.Option(min=0, help="Below fp32: this many decisions may differ outside the band.")
]

AddedBundleOption = Annotated[Path, typer.Option("-o", "--output", help="Bundle to add to, or to make.")]


class SizeName(str, Enum):
    """Sizes of random checkpoints."""

    NANO = "nano"
    BASE = "base"


class PrecisionName(str, Enum):
    """Precisions of graphs."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"
    INT4 = "int4"


class ReferenceName(str, Enum):
    """What to prove against."""

    AUTO = "auto"
    TRANSFORMERS = "transformers"
    NONE = "none"


ReferenceOption = Annotated[
    ReferenceName, typer.Option("--reference", help="Prove against PyTorch; none: skip it, the bundle says 'unproven'.")
]


class EngineName(str, Enum):
    """Engines that run here, whatever machine this is; named as the runtime names them."""

    ONNX_CPU = "onnx-cpu"
    NATIVE_CPU = "native-cpu"
