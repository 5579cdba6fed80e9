"""Turn graphs and a checkpoint's files into a bundle: a Hugging Face model folder with a manifest of every byte."""

from __future__ import annotations

import datetime
import hashlib
import importlib.metadata
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vibe_router.bundle.manifest import (
    MANIFEST_NAME,
    SCHEMA,
    Calibration,
    EngineFile,
    FileEntry,
    Manifest,
    Provenance,
    Threshold,
    dump_manifest,
    parse_manifest,
)
from vibe_router.errors import CheckpointError
from vibe_router.policy import calibrate_threshold
from vibe_router.version import __version__
from vibe_router_export.checkpoint.checkpoint import Checkpoint

_LIBRARIES = ("numpy", "onnx", "onnxruntime", "tokenizers", "torch", "transformers")
_SPECIAL_NAMES = {
    "[UNK]": "unk_token",
    "[CLS]": "cls_token",
    "[SEP]": "sep_token",
    "[PAD]": "pad_token",
    "[MASK]": "mask_token",
}


def calibrated_thresholds(profiles: Mapping[str, float], temperature: float) -> dict[str, Threshold]:
    """Return each profile's threshold on both scales; `profiles` maps names to raw thresholds."""
    return {
        name: Threshold(raw=raw, calibrated=calibrate_threshold(raw, temperature)) for name, raw in profiles.items()
    }


def write_model_files(checkpoint: Checkpoint, folder: Path, *, max_tokens: int) -> None:
    """Write config.json and the tokenizer's files so that generic loaders read the bundle as it is meant.

    config.json says one label with a sigmoid (a plain one-logit configuration would get a softmax, always 1.0).
    tokenizer_config.json says that literal special tokens in a prompt are text, as the runtime reads them.

    Raises:
        CheckpointError: tokenizer_config.json or special_tokens_map.json of the checkpoint is not JSON.
    """
    config = json.loads((checkpoint.folder / "config.json").read_text("utf-8"))
    config |= {
        "id2label": {"0": "cloud"},
        "label2id": {"cloud": 0},
        "problem_type": "multi_label_classification",
    }
    config.pop("num_labels", None)
    _write_json(folder / "config.json", config)
    shutil.copyfile(checkpoint.folder / "tokenizer.json", folder / "tokenizer.json")
    special = _special_tokens(folder / "tokenizer.json")
    tokenizer = _read_json(checkpoint.folder / "tokenizer_config.json")
    tokenizer = {"tokenizer_class": "PreTrainedTokenizerFast"} | special | tokenizer
    tokenizer |= {
        "model_max_length": max_tokens,
        "split_special_tokens": True,
        "model_input_names": ["input_ids", "attention_mask"],
    }
    _write_json(folder / "tokenizer_config.json", tokenizer)
    _write_json(folder / "special_tokens_map.json", special | _read_json(checkpoint.folder / "special_tokens_map.json"))


def declare_data_files(folder: Path) -> None:
    """Name in config.json the graphs whose weights lie in a file beside them.

    transformers.js fetches such a file only where config.json says so:
    https://huggingface.co/docs/transformers.js/api/configs.
    """
    graphs = {path.name.removesuffix("_data"): True for path in sorted((folder / "onnx").glob("*.onnx_data"))}
    if not graphs:
        return
    config = json.loads((folder / "config.json").read_text("utf-8"))
    settings = config.get("transformers.js_config")
    known = settings if isinstance(settings, dict) else {}
    config["transformers.js_config"] = known | {"use_external_data_format": graphs}
    _write_json(folder / "config.json", config)


def write_manifest(
    checkpoint: Checkpoint,
    folder: Path,
    *,
    name: str,
    calibration: Calibration,
    thresholds: Mapping[str, Threshold],
    engines: Sequence[EngineFile],
    max_tokens: int,
) -> Manifest:
    """Hash every file in `folder`, write router.json, and return it as a reader will see it.

    Raises:
        BundleCorruptError: the manifest would not pass its own reader (a name with a slash, say).
    """
    manifest = Manifest(
        schema=SCHEMA,
        name=name,
        version=checkpoint.router.version,
        labels=checkpoint.router.labels,
        max_tokens=max_tokens,
        pad_token_id=checkpoint.config.pad_token_id,
        calibration=calibration,
        default_profile=checkpoint.router.default_profile
        if checkpoint.router.default_profile in thresholds
        else next(iter(thresholds)),
        thresholds=dict(thresholds),
        engines=tuple(engines),
        files=hash_files(folder),
        provenance=Provenance(
            checkpoint=checkpoint.source,
            checkpoint_sha256=checkpoint.sha256,
            tool=f"vibe-router {__version__}",
            versions=_versions(),
            created=_now().isoformat(timespec="seconds"),
        ),
    )
    text = dump_manifest(manifest)
    checked = parse_manifest(text)
    (folder / MANIFEST_NAME).write_text(text, encoding="utf-8")
    return checked


def hash_files(folder: Path) -> dict[str, FileEntry]:
    """Return size and SHA-256 of every file below `folder` but the manifest, by POSIX path, sorted."""
    entries = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if name != MANIFEST_NAME:
            digest = hashlib.sha256()
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
            entries[name] = FileEntry(bytes=path.stat().st_size, sha256=digest.hexdigest())
    return entries


def _special_tokens(tokenizer: Path) -> dict[str, Any]:
    added = json.loads(tokenizer.read_text("utf-8")).get("added_tokens", [])
    return {_SPECIAL_NAMES[token["content"]]: token["content"] for token in added if token["content"] in _SPECIAL_NAMES}


def _read_json(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path.name} is not valid JSON: {error}", hint="save the tokenizer again") from error
    return content


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _versions() -> dict[str, str]:
    versions = {}
    for library in _LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _now() -> datetime.datetime:
    """Return the time in UTC, or SOURCE_DATE_EPOCH where a reproducible build sets it."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is not None:
        return datetime.datetime.fromtimestamp(int(epoch), datetime.timezone.utc)
    return datetime.datetime.now(datetime.timezone.utc)
