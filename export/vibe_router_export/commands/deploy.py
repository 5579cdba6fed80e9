"""`router-export deploy`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vibe_router_export.choices import Precision, RuntimeFormat
from vibe_router_export.commands.options import ForceOption, JsonOption
from vibe_router_tools.console.output import print_json


def deploy(
    bundle: Annotated[Path, typer.Argument(help="Folder of a bundle.")],
    out: Annotated[Path, typer.Option("-o", "--output", "--out", help="File or folder to write.")],
    to: Annotated[
        RuntimeFormat, typer.Option(help="ort: a file for ONNX Runtime without ONNX; triton: a model repository.")
    ],
    precision: Annotated[Precision, typer.Option(help="Which portable graph: fp32 or int8.")] = Precision.FP32,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a bundle's portable graph for another runtime, and prove it on the golden prompts."""
    from vibe_router_export.deployment import deploy as write

    furthest = write(bundle, out, to=to, precision=precision, overwrite=force)
    if as_json:
        print_json({"written": str(out), "to": to.value, "max_abs_probability_difference": furthest})
    else:
        typer.echo(f"{out}: {to.value}, p_cloud at most {furthest:.1e} off on the golden prompts")
