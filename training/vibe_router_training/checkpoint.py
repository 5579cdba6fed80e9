"""Write a checkpoint folder: complete under its name, or not there at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from vibe_router.errors import UsageError
from vibe_router_tools.atomic.write import staged_folder
from vibe_router_training.model import model_max_tokens, save_model
from vibe_router_training.tokenizer import tokenizer_config


def require_new(out: Path) -> None:
    """Refuse to write over what exists, before any work is done.

    Raises:
        UsageError: `out` exists.
    """
    if out.exists():
        raise UsageError(f"{out} exists already", hint="choose another --out, or remove it first")


def work_folder(out: Path) -> Path:
    """Return the hidden folder beside `out` where a run keeps its snapshots until it is done."""
    return out.absolute().parent / f".{out.name}.work"


def write_checkpoint(out: Path, model: Any, tokenizer: Tokenizer, *, files: Mapping[str, bytes] | None = None) -> None:
    """Write `config.json`, `model.safetensors`, `tokenizer.json`, `tokenizer_config.json` and `files`.

    `files` maps the names of further files to their content.

    Raises:
        UsageError: `out` exists already, or its place cannot be written to.
    """
    with staged_folder(out) as folder:
        save_model(model, folder)
        tokenizer.save(str(folder / "tokenizer.json"))
        (folder / "tokenizer_config.json").write_text(tokenizer_config(tokenizer, model_max_tokens(model)), "utf-8")
        for name, content in (files or {}).items():
            (folder / name).write_bytes(content)
