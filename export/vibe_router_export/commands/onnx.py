"""`router-export onnx`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vibe_router.policy import LOW_PRECISION_BAND
from vibe_router_export.choices import Precision, ReferenceChoice
from vibe_router_export.commands.inputs import load, name_leftovers, read_prompts, read_text
from vibe_router_export.commands.options import (
    BandOption,
    CheckpointArgument,
    CloudLabelOption,
    CloudModelOption,
    DeviceModelOption,
    ForceOption,
    JsonOption,
    LicenseOption,
    MaxFlipsOption,
    NameOption,
    PromptsOption,
    ReferenceOption,
)
from vibe_router_tools.console.output import print_json, print_line, progress_bar

TemperatureOption = Annotated[
    float | None, typer.Option(help="Calibration temperature; default: the checkpoint's router_config.json.")
]
ProfilesOption = Annotated[
    Path | None, typer.Option(help="JSON {profile: raw threshold}; default: the checkpoint's, else one at 0.5.")
]
PrecisionOption = Annotated[
    list[Precision] | None,
    typer.Option(help="Give it several times for several graphs in one bundle; default: fp32."),
]
SignificantBitsOption = Annotated[
    int,
    typer.Option(min=12, max=24, help="Bits kept of each fp32 weight's 24; fewer make files that compress."),
]


def onnx(
    source: CheckpointArgument,
    bundle: Annotated[Path, typer.Option("-o", "--output", "--out", help="Bundle folder to write.")],
    temperature: TemperatureOption = None,
    profiles: ProfilesOption = None,
    name: NameOption = None,
    device_model: DeviceModelOption = None,
    cloud_model: CloudModelOption = None,
    license: LicenseOption = None,
    max_tokens: Annotated[int, typer.Option(min=8, help="Prompts are cut to this many tokens.")] = 512,
    cloud_label: CloudLabelOption = None,
    reference: ReferenceOption = ReferenceChoice.AUTO,
    precision: PrecisionOption = None,
    prompts: PromptsOption = None,
    band: BandOption = LOW_PRECISION_BAND,
    max_flips: MaxFlipsOption = 0,
    significant_bits: SignificantBitsOption = 24,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Export a checkpoint to an ONNX bundle and prove that it decides as PyTorch does."""
    from vibe_router_export.checkpoint.router_config import parse_profiles
    from vibe_router_export.first_manifest import Claims, check_claims

    claims = Claims(
        name=name,
        temperature=temperature,
        profiles=None if profiles is None else parse_profiles(read_text(profiles), where=profiles.name),
        device_model=device_model,
        cloud_model=cloud_model,
        license=license,
    )
    check_claims(claims)
    loaded = load(source, cloud_label=cloud_label)
    from vibe_router_export.export import ExportOptions, export_onnx
    from vibe_router_export.report import export_summary, export_text

    options = ExportOptions(
        claims=claims,
        max_tokens=max_tokens,
        reference=reference,
        precisions=precision or (Precision.FP32,),
        prompts=read_prompts(prompts),
        band=band,
        max_flips=max_flips,
        overwrite=force,
        significant_bits=significant_bits,
    )
    if temperature is None and loaded.router.temperature is None:
        typer.echo("note: the checkpoint states no temperature; exporting with 1.0, not calibrated", err=True)
    with progress_bar("scoring with the reference") as progress:
        exported = export_onnx(loaded, bundle, options=options, progress=progress)
    name_leftovers(bundle)
    if as_json:
        print_json(export_summary(bundle, exported))
    else:
        print_line(export_text(bundle, exported))
