"""A small whole bundle and checkpoint whose files can be replaced and put back."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path

from safetensors.numpy import save_file

from vibe_router.bundle.bundle import bundled_folder
from vibe_router.bundle.manifest import MANIFEST_NAME, FileEntry, dump_manifest, parse_manifest
from vibe_router.engines.native.library import native_problem
from vibe_router.verify import GOLDEN_NAME
from vibe_router_export.checkpoint.checkpoint import read_checkpoint
from vibe_router_export.checkpoint.config import parse_config
from vibe_router_export.choices import ReferenceChoice
from vibe_router_export.export import ExportOptions, NativeOptions, export_native, export_onnx
from vibe_router_export.synthetic.checkpoint import random_tensors

MODEL, CONFIG, TOKENIZER, WEIGHTS = "onnx/model_fast.onnx", "config.json", "tokenizer.json", "model.safetensors"
_GOLDEN_LINES = 12
_ARCHITECTURE = {
    "architectures": ["ModernBertForSequenceClassification"],
    "model_type": "modernbert",
    "hidden_size": 64,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 128,
    "local_attention": 16,
    "global_attn_every_n_layers": 2,
    "global_rope_theta": 160000.0,
    "local_rope_theta": 10000.0,
    "classifier_pooling": "mean",
    "id2label": {"0": "cloud"},
    "label2id": {"cloud": 0},
}
_SPECIAL = {"pad_token_id": "[PAD]", "cls_token_id": "[CLS]", "bos_token_id": "[CLS]", "sep_token_id": "[SEP]"}


class Sandbox:
    """A folder of files, each replaceable; `restore` puts back what was there when this was made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        self.originals = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
        self._changed: set[str] = set()

    def replace(self, name: str, content: bytes | None, *, rehash: bool) -> None:
        """Put `content` (None: nothing) in a file's place; `rehash` makes the manifest say so, as an attacker would."""
        self._write(name, content)
        if rehash and name != MANIFEST_NAME:
            manifest = parse_manifest(self.originals[MANIFEST_NAME].decode())
            files = dict(manifest.files)
            del files[name]
            if content is not None:
                files[name] = FileEntry(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
            self._write(MANIFEST_NAME, dump_manifest(replace(manifest, files=files)).encode())

    def restore(self) -> None:
        """Put back what was replaced."""
        for name in tuple(self._changed):
            self._write(name, self.originals[name])
        self._changed.clear()

    def _write(self, name: str, content: bytes | None) -> None:
        self._changed.add(name)
        if content is None:
            (self.folder / name).unlink(missing_ok=True)
        else:
            (self.folder / name).write_bytes(content)


def write_checkpoint(folder: Path, *, seed: int) -> None:
    """Write a checkpoint of two layers, 64 wide, with the bundled tokenizer and random weights."""
    folder.mkdir()
    tokenizer = (bundled_folder() / TOKENIZER).read_bytes()
    content = json.loads(tokenizer)
    # Special tokens stand in the vocabulary alone or among the added tokens too, by the age of the bundle.
    ids = content["model"]["vocab"] | {token["content"]: token["id"] for token in content["added_tokens"]}
    vocabulary = max(ids.values()) + 1
    config = json.dumps(_ARCHITECTURE | {"vocab_size": vocabulary} | {key: ids[name] for key, name in _SPECIAL.items()})
    (folder / CONFIG).write_text(config, encoding="utf-8")
    (folder / TOKENIZER).write_bytes(tokenizer)
    save_file(random_tensors(parse_config(config), seed=seed), folder / WEIGHTS, metadata={"format": "pt"})


def write_bundle(checkpoint: Path, folder: Path) -> None:
    """Export the checkpoint, and keep few of its golden prompts, so that a replay takes milliseconds.

    The native engine's file is in it where that engine runs.
    """
    options = ExportOptions(max_tokens=64, reference=ReferenceChoice.NONE)
    export_onnx(read_checkpoint(checkpoint), folder, options=options)
    if native_problem() is None:
        unproven = NativeOptions(reference=ReferenceChoice.NONE, max_flips=sys.maxsize)
        export_native(read_checkpoint(checkpoint), folder, options=unproven)
    lines = (folder / GOLDEN_NAME).read_bytes().splitlines(keepends=True)
    step = max(1, len(lines) // _GOLDEN_LINES)
    box = Sandbox(folder)
    box.replace(GOLDEN_NAME, b"".join(lines[::step]), rehash=True)
