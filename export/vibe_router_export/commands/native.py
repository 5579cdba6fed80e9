"""`router-export native`."""

from __future__ import annotations

from vibe_router.policy import LOW_PRECISION_BAND
from vibe_router_export.choices import ReferenceChoice
from vibe_router_export.commands.inputs import load, name_leftovers, read_prompts
from vibe_router_export.commands.options import (
    AddedBundleOption,
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


def native(
    source: CheckpointArgument,
    bundle: AddedBundleOption,
    cloud_label: CloudLabelOption = None,
    reference: ReferenceOption = ReferenceChoice.AUTO,
    prompts: PromptsOption = None,
    band: BandOption = LOW_PRECISION_BAND,
    max_flips: MaxFlipsOption = 0,
    name: NameOption = None,
    device_model: DeviceModelOption = None,
    cloud_model: CloudModelOption = None,
    license: LicenseOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Add the native engine's int8 file to a bundle and prove that it decides as PyTorch does."""
    from vibe_router_export.first_manifest import Claims, check_claims

    claims = Claims(name=name, device_model=device_model, cloud_model=cloud_model, license=license)
    check_claims(claims)
    loaded = load(source, cloud_label=cloud_label)
    from vibe_router_export.export import NativeOptions, export_native
    from vibe_router_export.report import native_summary, native_text

    options = NativeOptions(
        claims=claims,
        reference=reference,
        prompts=read_prompts(prompts),
        band=band,
        max_flips=max_flips,
        overwrite=force,
    )
    with progress_bar("scoring with the reference") as progress:
        exported = export_native(loaded, bundle, options=options, progress=progress)
    name_leftovers(bundle)
    if as_json:
        print_json(native_summary(bundle, exported))
    else:
        print_line(native_text(bundle, exported))
