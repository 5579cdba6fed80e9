"""`router-export checkpoint`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vibe_router_export.checkpoint.config import Pooling
from vibe_router_export.choices import Size
from vibe_router_export.commands.inputs import name_leftovers, require_libraries
from vibe_router_export.commands.options import ForceOption, JsonOption
from vibe_router_tools.console.output import print_json


def checkpoint(
    out: Annotated[Path, typer.Argument(help="Folder to write.")],
    size: Annotated[Size, typer.Option(help="nano: 4 layers; base: exactly ModernBERT-base.")] = Size.NANO,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same weights.")] = 0,
    outliers: Annotated[
        bool, typer.Option("--outliers", help="Plant massive activations of 25,000, as trained models have them.")
    ] = False,
    pooling: Annotated[Pooling, typer.Option(help="What the classifier sees.")] = Pooling.MEAN,
    tokenizer: Annotated[
        Path | None, typer.Option(help="tokenizer.json to use; default: the bundled router's, filled up to size.")
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a random-weight checkpoint of the real architecture, to try and test exports with."""
    require_libraries()
    from vibe_router.bundle.bundle import bundled_folder
    from vibe_router_export.synthetic.checkpoint import Outliers, write_random_checkpoint

    parameters = write_random_checkpoint(
        out,
        size=size,
        seed=seed,
        outliers=Outliers() if outliers else None,
        tokenizer=tokenizer or bundled_folder() / "tokenizer.json",
        pooling=pooling,
        overwrite=force,
    )
    name_leftovers(out)
    if as_json:
        print_json({"checkpoint": str(out), "size": size.value, "seed": seed, "parameters": parameters})
    else:
        planted = ", massive activations planted" if outliers else ""
        typer.echo(f"{out}: {size.value}, {parameters:,} random parameters{planted}")
