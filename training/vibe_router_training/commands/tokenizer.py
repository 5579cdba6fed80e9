"""`router-train tokenizer`: train a tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vibe_router_training.commands.options import JsonOption
from vibe_router_training.commands.output import print_result
from vibe_router_training.commands.setup import require_training


def tokenizer(
    data: Annotated[list[Path], typer.Argument(metavar="PROMPTS.jsonl...", help="Files with prompts.")],
    out: Annotated[Path, typer.Option("-o", "--output", "--out", help="tokenizer.json to write.")],
    vocabulary: Annotated[int, typer.Option(min=300, help="Number of tokens.")] = 8000,
    json: JsonOption = False,
) -> None:
    """Train a tokenizer of ModernBERT's kind on the training part of prompts."""
    require_training()
    from vibe_router.errors import DataError
    from vibe_router_tools.atomic.write import write_file
    from vibe_router_training.checkpoint import require_new
    from vibe_router_training.data import Split, read_prompts, split_of
    from vibe_router_training.tokenizer import train_tokenizer

    require_new(out)
    texts = [row.prompt for path in data for row in read_prompts(path) if split_of(row.prompt) is Split.TRAIN]
    if not texts:
        raise DataError(
            "no prompts in the training part of the data", hint="give more prompts; eight in ten belong to it"
        )
    trained = train_tokenizer(texts, vocabulary_size=vocabulary)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_file(out, trained.to_str(pretty=True).encode("utf-8"))
    size = trained.get_vocab_size()
    print_result(
        {"tokenizer": str(out), "prompts": len(texts), "vocabulary": size},
        f"{out}: {size:,} tokens from {len(texts):,} prompts",
        as_json=json,
    )
