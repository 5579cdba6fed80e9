"""`router-export coreml`."""

from __future__ import annotations

from typing import Annotated

import typer

from vibe_router.extras import require_extra
from vibe_router_export.choices import Layout, ReferenceChoice, Target, WeightFormat
from vibe_router_export.commands.inputs import load, name_leftovers, parse_lengths, read_prompts
from vibe_router_export.commands.options import (
    AddedBundleOption,
    CheckpointArgument,
    CloudLabelOption,
    CloudModelOption,
    DeviceModelOption,
    ForceOption,
    JsonOption,
    LicenseOption,
    NameOption,
    PromptsOption,
    ReferenceOption,
)
from vibe_router_export.emit.coreml.quiet import quiet_coremltools
from vibe_router_tools.console.output import print_json, print_line, progress_bar


def coreml(
    source: CheckpointArgument,
    bundle: AddedBundleOption,
    lengths: Annotated[
        str, typer.Option(help="Numbers of tokens to make functions for; the last is the bundle's max_tokens.")
    ] = "64,128,256,512",
    target: Annotated[
        Target, typer.Option(help="macos15: one package, a function a length; macos14: a package a length.")
    ] = Target.MACOS15,
    weights: Annotated[
        WeightFormat, typer.Option(help="Whole fp16, int8 a channel, or palettes of 64 (pal6) or 16 (pal4) values.")
    ] = WeightFormat.FP16,
    layout: Annotated[Layout, typer.Option(help="Made for the Neural Engine or for the GPU.")] = Layout.ANE,
    cloud_label: CloudLabelOption = None,
    reference: ReferenceOption = ReferenceChoice.AUTO,
    prompts: PromptsOption = None,
    name: NameOption = None,
    device_model: DeviceModelOption = None,
    cloud_model: CloudModelOption = None,
    license: LicenseOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Add Core ML packages to a bundle and prove, without a Mac, that they decide as PyTorch does."""
    require_extra("Core ML export", extra="coreml", modules=("coremltools",))
    from vibe_router_export.first_manifest import Claims, check_claims

    claims = Claims(name=name, device_model=device_model, cloud_model=cloud_model, license=license)
    check_claims(claims)
    loaded = load(source, cloud_label=cloud_label)
    with quiet_coremltools():
        from vibe_router_export.export import CoreMLOptions, export_coreml
        from vibe_router_export.report import coreml_summary, coreml_text

    options = CoreMLOptions(
        claims=claims,
        lengths=parse_lengths(lengths),
        target=target,
        layout=layout,
        weight_format=weights,
        reference=reference,
        prompts=read_prompts(prompts),
        overwrite=force,
    )
    with progress_bar("scoring with the reference") as progress:
        exported = export_coreml(loaded, bundle, options=options, progress=progress)
    name_leftovers(bundle)
    if as_json:
        print_json(coreml_summary(bundle, exported))
    else:
        print_line(coreml_text(bundle, exported))
