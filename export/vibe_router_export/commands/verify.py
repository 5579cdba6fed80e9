"""`router-export verify`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from vibe_router.commands.output import print_json, progress_bar
from vibe_router.policy import LOW_PRECISION_BAND
from vibe_router_export.commands.inputs import load, read_prompts
from vibe_router_export.commands.options import (
    BandOption,
    CheckpointArgument,
    JsonOption,
    MaxFlipsOption,
    PrecisionName,
    PromptsOption,
)


def verify(
    source: CheckpointArgument,
    bundle: Annotated[str, typer.Argument(help="The bundle that was exported from it.")],
    precision: Annotated[PrecisionName, typer.Option(help="Which of the bundle's graphs.")] = PrecisionName.FP32,
    prompts: PromptsOption = None,
    band: BandOption = LOW_PRECISION_BAND,
    max_flips: MaxFlipsOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Run the parity gate again: an existing bundle against PyTorch, on this machine."""
    loaded = load(source)
    from vibe_router_export.onnx_export import verify_onnx
    from vibe_router_export.parity import limits_for
    from vibe_router_export.quantize import Precision
    from vibe_router_export.report import parity_text

    with progress_bar("scoring with the reference") as progress:
        chosen = Precision(precision.value)
        report = verify_onnx(
            loaded,
            bundle,
            precision=chosen,
            limits=limits_for(chosen, band=band, max_flips=max_flips),
            prompts=read_prompts(prompts),
            progress=progress,
        )
    if as_json:
        print_json(asdict(report.numbers))
    else:
        typer.echo(parity_text(report.numbers, proven=True))
