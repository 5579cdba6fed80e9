"""Read a checkpoint: a Hugging Face model folder, on disk or on the hub, without torch and without running its code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vibe_router.bundle.strict_json import shown
from vibe_router.errors import CheckpointError
from vibe_router_export.checkpoint.config import ModernBertConfig, parse_config
from vibe_router_export.checkpoint.files import has_file, parse_object, read_text, weight_file
from vibe_router_export.checkpoint.find import find_checkpoint
from vibe_router_export.checkpoint.labels import LabelPair, fold_labels, read_labels
from vibe_router_export.checkpoint.router_config import RouterConfig, parse_router_config
from vibe_router_export.checkpoint.tokenizer import TOKENIZER, check_tokenizer
from vibe_router_export.checkpoint.weights import Array, ModernBertWeights, arrange

_SINGLE, _INDEX = "model.safetensors", "model.safetensors.index.json"
_ROUTER, _CARD, _ADAPTER = "router_config.json", "TRAINING.md", "adapter_config.json"
# What torch.compile and DataParallel put before the names of a model's tensors.
_WRAPPERS = ("_orig_mod.", "module.")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A checkpoint that can be exported. `sha256` covers its configuration, tokenizer and weights.

    `labels` are the two rows of its classifier, which `weights` holds folded into one; None: it has one.
    `training_card` is the text of its TRAINING.md, an account of how it was trained for the bundle's card.
    """

    source: str
    folder: Path
    sha256: str
    config: ModernBertConfig
    labels: LabelPair | None
    weights: ModernBertWeights
    router: RouterConfig
    training_card: str | None


def read_checkpoint(source: str | Path, *, cloud_label: str | None = None) -> Checkpoint:
    """Read and validate the checkpoint in a local folder, or under a hub id `organisation/name`.

    `cloud_label` names the label of a classifier with two that means the cloud; None reads it from id2label. What
    takes long is read last.

    Raises:
        CheckpointError: nothing there, a file missing or unreadable, pickled weights, or anything in it that this
            project does not support.
    """
    folder = find_checkpoint(source)
    if has_file(folder, _ADAPTER) and not has_file(folder, "config.json"):
        raise _unmerged(f"{folder} is an adapter, not a whole model")
    text = read_text(folder, "config.json")
    config = parse_config(text)
    labels = read_labels(parse_object(text, "config.json"), cloud_label)
    router = (
        parse_router_config(read_text(folder, _ROUTER), where=_ROUTER) if has_file(folder, _ROUTER) else RouterConfig()
    )
    card = read_text(folder, _CARD) if has_file(folder, _CARD) else None
    check_tokenizer(folder, vocabulary_size=config.vocabulary_size)
    files = _weight_files(folder)
    return Checkpoint(
        source=_name(source),
        folder=folder,
        sha256=_hash([folder / "config.json", folder / TOKENIZER, *files]),
        config=config,
        labels=labels,
        weights=arrange(config, fold_labels(dict(_tensors(files)), labels)),
        router=router,
        training_card=card,
    )


def _name(source: str | Path) -> str:
    """Return the name of a folder, or the hub id."""
    path = Path(source).expanduser()
    if not path.is_dir():
        return str(source)
    # "." and ".." have no name of their own.
    return path.resolve().name if path.name in ("", "..") else path.name


def wrapped_tensors(folder: Path) -> dict[str, Any] | None:
    """Return the tensors of a checkpoint for torch, under plain names; None where no wrapper has prefixed any.

    transformers would take prefixed names for those of another model, and draw random weights.

    Raises:
        CheckpointError: the files of weights are not there.
    """
    from safetensors import safe_open

    tensors: dict[str, Any] = {}
    for path in _weight_files(folder):
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            if not any(name.startswith(_WRAPPERS) for name in names):
                return None
            tensors |= {_plain(name): file.get_tensor(name) for name in names}
    return tensors


def _weight_files(folder: Path) -> list[Path]:
    if has_file(folder, _SINGLE):
        return [weight_file(folder, _SINGLE)]
    if has_file(folder, _INDEX):
        return [weight_file(folder, name) for name in _shard_names(read_text(folder, _INDEX))]
    pickled = sorted(path.name for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt") for path in folder.glob(pattern))
    if pickled:
        raise CheckpointError(
            f"{folder} has only pickled weights ({', '.join(pickled)}), which can run code when loaded",
            hint="save them as safetensors: model.save_pretrained(folder, safe_serialization=True)",
        )
    raise CheckpointError(f"{folder} has no {_SINGLE}", hint="save the model with save_pretrained")


def _shard_names(text: str) -> list[str]:
    try:
        weight_map: Any = json.loads(text)["weight_map"]
        names = sorted(set(weight_map.values()))
        plain = all(Path(name).name == name and name.endswith(".safetensors") for name in names)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{_INDEX} is not a shard index: {error}", hint="save the model again") from error
    if not plain or not names:
        raise CheckpointError(f"{_INDEX} names files outside the checkpoint: {names}", hint="save the model again")
    return names


def _tensors(files: list[Path]) -> Iterator[tuple[str, Array]]:
    # Registers bfloat16 with numpy, which safetensors needs to hand it over.
    import ml_dtypes
    from safetensors import SafetensorError, safe_open

    floats = {np.dtype(kind) for kind in (np.float32, np.float16, ml_dtypes.bfloat16)}
    seen: set[str] = set()
    for path in files:
        try:
            with safe_open(path, framework="np") as file:
                for stored in file.keys():  # noqa: SIM118, the file itself cannot be iterated
                    name = _plain(stored)
                    tensor = file.get_tensor(stored)
                    _check_tensor(path, name, tensor, floats=floats, duplicate=name in seen)
                    seen.add(name)
                    yield name, tensor.astype(np.float32, copy=False)
        # numpy refuses shapes that safetensors allows: more than 64 dimensions, or too large ones.
        except (SafetensorError, OSError, TypeError, ValueError, OverflowError, MemoryError) as error:
            raise CheckpointError(
                f"cannot read {path.name}: {error}",
                hint="the file is damaged or of another kind; save it again",
            ) from error


def _plain(name: str) -> str:
    """Return the name of a tensor without what wrappers have put before it."""
    while name.startswith(_WRAPPERS):
        name = name.split(".", 1)[1]
    if "lora_" in name or name.startswith("base_model."):
        raise _unmerged(f"the weights hold an adapter that is not merged ({shown(name)})")
    return name


def _unmerged(message: str) -> CheckpointError:
    return CheckpointError(
        message,
        hint="merge it first: peft.AutoPeftModelForSequenceClassification.from_pretrained(FOLDER, num_labels=1)"
        ".merge_and_unload().save_pretrained(MERGED), and save the tokenizer there, too",
    )


def _check_tensor(
    path: Path, name: str, tensor: np.ndarray[Any, Any], *, floats: set[np.dtype[Any]], duplicate: bool
) -> None:
    if duplicate:
        raise CheckpointError(f"{shown(name)} stands twice in the weights", hint="save the model again")
    if tensor.dtype not in floats:
        raise CheckpointError(
            f"{name} in {path.name} is {tensor.dtype}; fp32, fp16 and bf16 are supported",
            hint="export the checkpoint before it was quantised",
        )
    if not np.isfinite(tensor).all():
        raise CheckpointError(
            f"{name} in {path.name} holds NaN or infinity",
            hint="the training diverged; use an earlier checkpoint",
        )


def _hash(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()
