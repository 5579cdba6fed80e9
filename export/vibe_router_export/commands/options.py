"""Arguments and options that several commands share."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from vibe_router_export.choices import ReferenceChoice

CheckpointArgument = Annotated[str, typer.Argument(metavar="CHECKPOINT", help="A folder, or a hub id org/name.")]
CloudLabelOption = Annotated[
    str | None,
    typer.Option(help="Of a classifier with two labels, the name or number of the one that means the cloud."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace the target, once the new one is whole.")]
NameOption = Annotated[str | None, typer.Option("--name", help="Name of the bundle; default: the checkpoint's.")]
DeviceModelOption = Annotated[
    str | None, typer.Option("--device-model", help="What answers on the device, for the model card; default: unsaid.")
]
CloudModelOption = Annotated[
    str | None, typer.Option("--cloud-model", help="What answers in the cloud, for the model card; default: unsaid.")
]
LicenseOption = Annotated[
    str | None, typer.Option("--license", help="Licence for the model card, such as apache-2.0; default: unsaid.")
]
PromptsOption = Annotated[
    Path | None, typer.Option("--prompts", help="JSONL of prompts to prove on, besides the golden ones.")
]


def _a_number(value: float) -> float:
    # Every comparison with NaN is false, also those with the smallest and the largest value.
    if math.isnan(value):
        raise typer.BadParameter("nan is not a number")
    return value


BandOption = Annotated[
    float,
    typer.Option(
        min=0,
        max=1,
        callback=_a_number,
        help="Below fp32: a decision may differ where |p - threshold| is less than this.",
    ),
]
MaxFlipsOption = Annotated[
    int, typer.Option(min=0, help="Below fp32: this many decisions may differ outside the band.")
]

AddedBundleOption = Annotated[Path, typer.Option("-o", "--output", "--out", help="Bundle to add to, or to make.")]


ReferenceOption = Annotated[
    ReferenceChoice,
    typer.Option("--reference", help="Prove against PyTorch; none: skip it, the bundle says 'unproven'."),
]
