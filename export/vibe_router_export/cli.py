"""`router-export`: parse, call, print."""

from __future__ import annotations

import sys
from dataclasses import asdict
from enum import Enum
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from vibe_router.errors import UsageError, VibeRouterError

if TYPE_CHECKING:
    from vibe_router_export.onnx_export import Exported, ExportEvent

app = typer.Typer(
    name="router-export",
    help="Export a fine-tuned ModernBERT router to bundles that apps embed, proven equal to PyTorch.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what stands at the target, once the new one is whole.")]


class SizeName(str, Enum):
    """Sizes of random checkpoints, as the command line names them."""

    NANO = "nano"
    BASE = "base"


class ReferenceName(str, Enum):
    """What to prove against, as the command line names it."""

    AUTO = "auto"
    TRANSFORMERS = "transformers"
    NONE = "none"


@app.command()
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
    force: Force = False,
    json: Json = False,
) -> None:
    """Write a random-weight checkpoint of the real architecture, to try and test exports with."""
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
    _print_result(
        {"checkpoint": str(out), "size": size.value, "seed": seed, "outliers": outliers, "parameters": parameters},
        f"{out}: {size.value}, {parameters:,} random parameters{', with massive activations' if outliers else ''}",
        as_json=json,
    )


@app.command()
def onnx(
    source: Annotated[str, typer.Argument(metavar="CHECKPOINT", help="A checkpoint's folder or hub id org/name.")],
    bundle: Annotated[Path, typer.Option("-o", "--output", help="Bundle folder to write.")],
    temperature: Annotated[
        float | None, typer.Option(help="Calibration temperature; default: the checkpoint's router_config.json.")
    ] = None,
    profiles: Annotated[
        Path | None,
        typer.Option(help="JSON file {profile: raw threshold}; default: the checkpoint's, else the card's."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the bundle; default: the checkpoint's.")] = None,
    max_tokens: Annotated[int, typer.Option(min=8, help="Prompts are cut to this many tokens.")] = 512,
    reference: Annotated[
        ReferenceName, typer.Option(help="Prove against PyTorch; none: skip it, the bundle says 'unproven'.")
    ] = ReferenceName.AUTO,
    prompts: Annotated[Path | None, typer.Option(help="JSONL of prompts to prove on, beside the golden ones.")] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Export a checkpoint to an ONNX bundle and prove that it decides as PyTorch does."""
    from vibe_router.evaluation.dataset import read_rows
    from vibe_router_export.checkpoint import read_checkpoint
    from vibe_router_export.onnx_export import ExportOptions, ReferenceChoice, export_onnx
    from vibe_router_export.router_config import parse_profiles

    if temperature is not None and not 0 < temperature < float("inf"):
        raise UsageError(f"the temperature {temperature} is not positive", hint="1.0 means no calibration")
    options = ExportOptions(
        name=name,
        temperature=temperature,
        profiles=None if profiles is None else parse_profiles(_read(profiles), where=profiles.name),
        max_tokens=max_tokens,
        reference=ReferenceChoice(reference.value),
        prompts=None if prompts is None else [row.prompt for row in read_rows(prompts)],
        overwrite=force,
    )
    with _Progress() as progress:
        loaded = read_checkpoint(source)
        exported = export_onnx(loaded, bundle, options=options, on_event=progress.show)
    _print_result(_summary(bundle, exported), _report(bundle, exported), as_json=json)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}", hint="name a readable file in UTF-8") from error


def _summary(bundle: Path, exported: Exported) -> dict[str, object]:
    manifest, report = exported.manifest, exported.report
    return {
        "bundle": str(bundle),
        "name": manifest.name,
        "temperature": manifest.calibration.temperature,
        "temperature_source": manifest.calibration.source,
        "proven": manifest.engines[0].parity is not None,
        "parity": asdict(report.numbers),
        "worst_prompt": report.worst.prompt,
        "bytes": {name: entry.bytes for name, entry in manifest.files.items()},
        "thresholds": {name: asdict(threshold) for name, threshold in manifest.thresholds.items()},
    }


def _report(bundle: Path, exported: Exported) -> str:
    manifest, numbers = exported.manifest, exported.report.numbers
    proven = manifest.engines[0].parity is not None
    size = sum(entry.bytes for entry in manifest.files.values())
    lines = [
        f"{bundle}: {manifest.name}, {size / 1e6:.1f} MB in {len(manifest.files) + 1} files",
        f"  temperature  {manifest.calibration.temperature:g} ({manifest.calibration.source})",
        f"  parity       {'proven' if proven else 'unproven'}: {numbers.prompts} prompts alone and in padded batches "
        f"against {numbers.reference}",
        f"  max |dlogit| {numbers.max_abs_logit_difference:.2e}   max |dp| {numbers.max_abs_probability_difference:.2e}"
        f"   flips {numbers.flips}",
    ]
    if not proven:
        lines.append("               install vibe-router[reference] and export again to prove it against PyTorch")
    for profile, threshold in manifest.thresholds.items():
        default = " (default)" if profile == manifest.default_profile else ""
        lines.append(f"  {profile:<12} raw {threshold.raw:.4f}  calibrated {threshold.calibrated:.4f}{default}")
    return "\n".join(lines)


def _print_result(result: dict[str, object], text: str, *, as_json: bool) -> None:
    typer.echo(dumps(result, ensure_ascii=False) if as_json else text)


class _Progress:
    """Draws export events as one line on a terminal's stderr; silent elsewhere."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._status = self._console.status("reading the checkpoint")

    def __enter__(self) -> _Progress:
        if self._console.is_terminal:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()

    def show(self, event: ExportEvent) -> None:
        count = f" {event.done}/{event.total}" if event.total else ""
        self._status.update(event.message + count)


def main() -> None:
    """Run the command line; an error raised on purpose becomes its message, its hint and its exit code."""
    try:
        app()
    except VibeRouterError as error:
        typer.echo(f"error: {error.message}", err=True)
        if error.hint:
            typer.echo(f"hint: {error.hint}", err=True)
        sys.exit(error.exit_code)
