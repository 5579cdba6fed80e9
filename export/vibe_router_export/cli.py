"""`router-export`: parse, call, print."""

from __future__ import annotations

from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vibe_router.commands.entry import run
from vibe_router.commands.output import print_json, progress_bar
from vibe_router.errors import UsageError
from vibe_router.extras import require_extra
from vibe_router.policy import LOW_PRECISION_BAND
from vibe_router_export.coreml_options import Layout, Target, WeightFormat, quiet_coremltools

if TYPE_CHECKING:
    from vibe_router_export.checkpoint import Checkpoint

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


def build_app() -> typer.Typer:
    """Return the command with all its subcommands."""
    app = typer.Typer(name="router-export", no_args_is_help=True, pretty_exceptions_enable=False)
    app.callback()(_describe)
    for command in (onnx, coreml, lint, verify, inspect, checkpoint):
        app.command()(command)
    return app


def main() -> None:
    """Run the command line; the exit codes are those of `vibe_router.errors`."""
    run(build_app)


def _describe() -> None:
    """Export a fine-tuned ModernBERT router to bundles that apps embed, proven equal to PyTorch."""


def onnx(
    source: CheckpointArgument,
    bundle: Annotated[Path, typer.Option("-o", "--output", help="Bundle folder to write.")],
    temperature: Annotated[
        float | None, typer.Option(help="Calibration temperature; default: the checkpoint's router_config.json.")
    ] = None,
    profiles: Annotated[
        Path | None, typer.Option(help="JSON {profile: raw threshold}; default: the checkpoint's, else the card's.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the bundle; default: the checkpoint's.")] = None,
    max_tokens: Annotated[int, typer.Option(min=8, help="Prompts are cut to this many tokens.")] = 512,
    reference: Annotated[
        ReferenceName, typer.Option(help="Prove against PyTorch; none: skip it, the bundle says 'unproven'.")
    ] = ReferenceName.AUTO,
    precision: Annotated[
        list[PrecisionName] | None,
        typer.Option(help="Give it several times for several graphs in one bundle; default: fp32."),
    ] = None,
    prompts: PromptsOption = None,
    band: BandOption = LOW_PRECISION_BAND,
    max_flips: MaxFlipsOption = 0,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Export a checkpoint to an ONNX bundle and prove that it decides as PyTorch does."""
    loaded = _load(source)
    from vibe_router_export.onnx_export import ExportOptions, ReferenceChoice, export_onnx
    from vibe_router_export.quantize import Precision
    from vibe_router_export.report import export_summary, export_text
    from vibe_router_export.router_config import parse_profiles

    if temperature is not None and not 0 < temperature < float("inf"):
        raise UsageError(f"the temperature {temperature} is not positive", hint="1.0 means no calibration")
    options = ExportOptions(
        name=name,
        temperature=temperature,
        profiles=None if profiles is None else parse_profiles(_read(profiles), where=profiles.name),
        max_tokens=max_tokens,
        reference=ReferenceChoice(reference.value),
        precisions=tuple(Precision(name.value) for name in precision or [PrecisionName.FP32]),
        prompts=_prompts(prompts),
        band=band,
        max_flips=max_flips,
        overwrite=force,
    )
    if temperature is None and loaded.router.temperature is None:
        typer.echo("note: the checkpoint states no temperature; exporting with 1.0, not calibrated", err=True)
    with progress_bar("scoring with the reference") as progress:
        exported = export_onnx(loaded, bundle, options=options, progress=progress)
    _name_leftovers(bundle)
    if as_json:
        print_json(export_summary(bundle, exported))
    else:
        typer.echo(export_text(bundle, exported))


def coreml(
    source: CheckpointArgument,
    bundle: Annotated[Path, typer.Option("-o", "--output", help="Bundle to add to, or to make.")],
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
    reference: Annotated[
        ReferenceName, typer.Option(help="Prove against PyTorch; none: skip it, the bundle says 'unproven'.")
    ] = ReferenceName.AUTO,
    prompts: PromptsOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Add Core ML packages to a bundle and prove, without a Mac, that they decide as PyTorch does."""
    require_extra("Core ML export", extra="coreml", modules=("coremltools",))
    loaded = _load(source)
    with quiet_coremltools():
        from vibe_router_export.coreml_export import CoreMLOptions, export_coreml
        from vibe_router_export.coreml_report import coreml_summary, coreml_text
        from vibe_router_export.onnx_export import ReferenceChoice

    options = CoreMLOptions(
        lengths=_lengths(lengths),
        target=target,
        layout=layout,
        weight_format=weights,
        reference=ReferenceChoice(reference.value),
        prompts=_prompts(prompts),
        overwrite=force,
    )
    with progress_bar("scoring with the reference") as progress:
        exported = export_coreml(loaded, bundle, options=options, progress=progress)
    _name_leftovers(bundle)
    if as_json:
        print_json(coreml_summary(bundle, exported))
    else:
        typer.echo(coreml_text(bundle, exported))


def lint(
    package: Annotated[Path, typer.Argument(metavar="PACKAGE", help="A saved .mlpackage.")], as_json: JsonOption = False
) -> None:
    """Check that a Core ML package can stay on the Neural Engine; exit code 1 where it cannot."""
    _require_libraries()
    require_extra("Reading Core ML packages", extra="coreml", modules=("coremltools",))
    with quiet_coremltools():
        from vibe_router_export.coreml_lint import lint as lint_package
        from vibe_router_export.coreml_report import lint_summary, lint_text
        from vibe_router_export.mil_interpreter.package import read_package

        report = lint_package(read_package(package))
    if as_json:
        print_json(lint_summary(report))
    else:
        typer.echo(lint_text(report))
    if report.violations:
        raise typer.Exit(1)


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
    loaded = _load(source)
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
            prompts=_prompts(prompts),
            progress=progress,
        )
    if as_json:
        print_json(asdict(report.numbers))
    else:
        typer.echo(parity_text(report.numbers, proven=True))


def inspect(source: CheckpointArgument, as_json: JsonOption = False) -> None:
    """Show what a checkpoint is, or why it cannot be exported."""
    loaded = _load(source)
    from vibe_router_export.report import checkpoint_summary

    summary = checkpoint_summary(loaded)
    if as_json:
        print_json(summary)
    else:
        typer.echo("\n".join(f"{key:<18} {value}" for key, value in summary.items()))


def checkpoint(
    out: Annotated[Path, typer.Argument(help="Folder to write.")],
    size: Annotated[SizeName, typer.Option(help="nano: 4 layers; base: exactly ModernBERT-base.")] = SizeName.NANO,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same weights.")] = 0,
    outliers: Annotated[
        bool, typer.Option("--outliers", help="Plant massive activations of 25,000, as trained models have them.")
    ] = False,
    tokenizer: Annotated[
        Path | None, typer.Option(help="tokenizer.json to use; default: the bundled router's, filled up to size.")
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a random-weight checkpoint of the real architecture, to try and test exports with."""
    _require_libraries()
    from vibe_router.bundle import bundled_folder
    from vibe_router_export.random_checkpoint import Outliers, Size, write_random_checkpoint

    parameters = write_random_checkpoint(
        out,
        size=Size(size.value),
        seed=seed,
        outliers=Outliers() if outliers else None,
        tokenizer=tokenizer or bundled_folder() / "tokenizer.json",
        overwrite=force,
    )
    _name_leftovers(out)
    if as_json:
        print_json({"checkpoint": str(out), "size": size.value, "seed": seed, "parameters": parameters})
    else:
        planted = ", massive activations planted" if outliers else ""
        typer.echo(f"{out}: {size.value}, {parameters:,} random parameters{planted}")


def _require_libraries() -> None:
    modules = ("onnx", "safetensors", "ml_dtypes", "scipy", "huggingface_hub")
    require_extra("exporting", extra="export", modules=modules)


def _load(source: str) -> Checkpoint:
    _require_libraries()
    from vibe_router_export.checkpoint import read_checkpoint

    return read_checkpoint(source)


def _name_leftovers(target: Path) -> None:
    from vibe_router.staging import leftovers

    for place in leftovers(target):
        typer.echo(f"note: {place} belongs to a running export, or to an old one and cannot be removed", err=True)


def _lengths(text: str) -> list[int]:
    try:
        return [int(length) for length in text.split(",")]
    except ValueError:
        raise UsageError(
            f"--lengths {text!r} is not a list of numbers", hint="for example --lengths 64,128,256,512"
        ) from None


def _prompts(path: Path | None) -> list[str] | None:
    if path is None:
        return None
    from vibe_router.evaluation.dataset import read_rows

    return [row.prompt for row in read_rows(path)]


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}", hint="name a readable file in UTF-8") from error
