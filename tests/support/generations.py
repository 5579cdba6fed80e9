"""Checkpoints configured by the files that transformers 4 and 5 have saved, with random weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from safetensors.numpy import save_file

from tests.support.bundles import tiny_tokenizer_json
from vibe_router_export.checkpoint.config import parse_config
from vibe_router_export.synthetic.checkpoint import random_tensors

SAVED = Path(__file__).resolve().parents[1] / "data"


def write_saved(folder: Path, generation: int, **changes: Any) -> Path:
    """Write a checkpoint with the files in tests/data/transformers_N; `changes` are made to config.json."""
    folder.mkdir(parents=True)
    saved = SAVED / f"transformers_{generation}"
    config = json.loads((saved / "config.json").read_text("utf-8")) | changes
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    shutil.copyfile(saved / "tokenizer_config.json", folder / "tokenizer_config.json")
    (folder / "tokenizer.json").write_bytes(tiny_tokenizer_json())
    tensors = random_tensors(parse_config(json.dumps(config)), seed=0)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder
