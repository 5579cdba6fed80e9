"""Options that several of these commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SourcesArgument = Annotated[
    list[str], typer.Argument(metavar="CHECKPOINT_OR_BUNDLE...", help="A checkpoint, a bundle of it, or both.")
]
EnginesOption = Annotated[
    list[str] | None,
    typer.Option("--engines", help="A contender or a family such as ours; several times; default: all."),
]
PythonsOption = Annotated[
    list[str] | None, typer.Option("--python-for", metavar="FAMILY=PYTHON", help="Another interpreter for a family.")
]
WorkOption = Annotated[Path | None, typer.Option("--work", help="Where prepared files lie; default: build/benchmarks.")]
NameOption = Annotated[str | None, typer.Option("--name", help="The size's name in results; default: the folder's.")]
OutputOption = Annotated[Path | None, typer.Option("-o", "--output", help="JSON; default: under benchmarks/results.")]
FreshOption = Annotated[bool, typer.Option("--fresh", help="Start the output again instead of adding to it.")]
PromptsOption = Annotated[
    Path | None, typer.Option("--prompts", help="JSONL of prompts; default: the shared ones, else made-up ones.")
]
