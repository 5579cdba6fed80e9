"""What commands read before they work, and what they say next to their result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from vibe_router.errors import UsageError
from vibe_router.extras import require_extra

if TYPE_CHECKING:
    from vibe_router_export.checkpoint.checkpoint import Checkpoint


def require_libraries() -> None:
    """Raise MissingExtraError where a library of every export is not installed."""
    modules = ("onnx", "safetensors", "ml_dtypes", "scipy", "huggingface_hub")
    require_extra("exporting", extra="export", modules=modules)


def load(source: str, *, cloud_label: str | None = None) -> Checkpoint:
    """Return the checkpoint in a folder or of a hub id; the errors are those of `read_checkpoint`."""
    require_libraries()
    from vibe_router_export.checkpoint.checkpoint import read_checkpoint

    return read_checkpoint(source, cloud_label=cloud_label)


def name_leftovers(target: Path) -> None:
    """Name the temporary folders next to `target` that interrupted exports have left."""
    from vibe_router_tools.atomic.write import leftovers

    for place in leftovers(target):
        typer.echo(f"note: {place} belongs to a running export, or to an old one and cannot be removed", err=True)


def parse_lengths(text: str) -> list[int]:
    """Return the numbers of a list such as "64,128".

    Raises:
        UsageError: it is none.
    """
    try:
        return [int(length) for length in text.split(",")]
    except ValueError:
        raise UsageError(
            f"--lengths {text!r} is not a list of numbers", hint="for example --lengths 64,128,256,512"
        ) from None


def read_prompts(path: Path | None) -> list[str] | None:
    """Return the prompts of a JSONL file; None means no file.

    Raises:
        DataError: a bad row.
    """
    if path is None:
        return None
    from vibe_router_tools.evaluation.dataset import read_rows

    return [row.prompt for row in read_rows(path)]


def read_text(path: Path) -> str:
    """Return a file's text.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}", hint="name a readable file in UTF-8") from error
