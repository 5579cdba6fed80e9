"""`router-export verify`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from vibe_router.policy import LOW_PRECISION_BAND
from vibe_router_export.choices import EngineName, Precision
from vibe_router_export.commands.inputs import load, read_prompts
from vibe_router_export.commands.options import (
    BandOption,
    CheckpointArgument,
    CloudLabelOption,
    JsonOption,
    MaxFlipsOption,
    PromptsOption,
)
from vibe_router_tools.console.output import print_json, print_line, progress_bar


def verify(
    source: CheckpointArgument,
    bundle: Annotated[str, typer.Argument(help="The bundle that was exported from it.")],
    engine: Annotated[EngineName, typer.Option(help="What runs the bundle.")] = EngineName.ONNX_CPU,
    precision: Annotated[
        Precision | None,
        typer.Option(help="Which of the bundle's files; default: fp32, for native-cpu int8.", show_default=False),
    ] = None,
    cloud_label: CloudLabelOption = None,
    prompts: PromptsOption = None,
    band: BandOption = LOW_PRECISION_BAND,
    max_flips: MaxFlipsOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Run the parity gate again: an existing bundle against PyTorch, on this machine."""
    loaded = load(source, cloud_label=cloud_label)
    from vibe_router_export.proof.parity import limits_for
    from vibe_router_export.proof.verify import verify_bundle
    from vibe_router_export.report import parity_text

    with progress_bar("scoring with the reference") as progress:
        usual = Precision.INT8 if engine is EngineName.NATIVE_CPU else Precision.FP32
        chosen = precision or usual
        report = verify_bundle(
            loaded,
            bundle,
            engine=engine.value,
            precision=chosen,
            limits=limits_for(chosen, band=band, max_flips=max_flips),
            prompts=read_prompts(prompts),
            progress=progress,
        )
    if as_json:
        print_json(asdict(report.numbers))
    else:
        print_line(parity_text(report.numbers, proven=True))
