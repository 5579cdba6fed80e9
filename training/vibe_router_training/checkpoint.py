"""Write a checkpoint folder: complete under its name, or not there at all."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from vibe_router.errors import UsageError
from vibe_router_training.model import model_max_tokens, save_model
from vibe_router_training.tokenizer import tokenizer_config


def require_new(out: Path) -> None:
    """Refuse to write over what exists, before any work is done.

    Raises:
        UsageError: `out` is a file, or a folder that is not empty.
    """
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise UsageError(f"{out} exists already", hint="choose another --out, or remove it first")


def work_folder(out: Path) -> Path:
    """Return the hidden folder beside `out` where a run keeps its snapshots until it is done."""
    return out.parent / f".{out.name}.work"


def write_checkpoint(
    out: Path, model: Any, tokenizer: Tokenizer, *, texts: Mapping[str, str | bytes] | None = None
) -> None:
    """Write `config.json`, `model.safetensors`, `tokenizer.json`, `tokenizer_config.json` and `texts`.

    `texts` maps further file names to their content. Everything is written into a temporary folder beside
    `out` and renamed at the end.

    Raises:
        UsageError: `out` exists already.
    """
    require_new(out)
    partial = out.parent / f".{out.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        save_model(model, partial)
        tokenizer.save(str(partial / "tokenizer.json"))
        files = {"tokenizer_config.json": tokenizer_config(model_max_tokens(model)), **(texts or {})}
        for name, content in files.items():
            (partial / name).write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        if out.is_dir():
            out.rmdir()
        partial.rename(out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
