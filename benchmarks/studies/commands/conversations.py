"""`benchmarks conversations`: write conversations for `vibe-router eval --conversations`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.studies.labelled_conversations import concatenations, pairs
from vibe_router.errors import UsageError


def conversations(
    out: Annotated[Path, typer.Option("--out", "-o", help="The JSONL file to write.")],
    rated: Annotated[Path | None, typer.Option(help="JSONL with prompt, cloud and source, to concatenate.")] = None,
    measured: Annotated[Path | None, typer.Option(help="JSONL with prompt, weak, strong and detail.root.")] = None,
    count: Annotated[int, typer.Option(min=1, help="Concatenations to make.")] = 1500,
    seed: Annotated[int, typer.Option(help="Of the random choice.")] = 0,
) -> None:
    """Make labelled conversations from labelled prompts."""
    if (rated is None) == (measured is None):
        raise UsageError("give either --rated or --measured", hint="--rated data/routing_rated.jsonl")
    rows = concatenations(rated, count=count, seed=seed) if rated is not None else pairs(measured or Path())
    with out.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
