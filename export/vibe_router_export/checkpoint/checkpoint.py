"""Read a checkpoint: a Hugging Face model folder, on disk or on the hub, without torch and without running its code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vibe_router.errors import CheckpointError
from vibe_router_export.checkpoint.config import ModernBertConfig, parse_config, refuse_code
from vibe_router_export.checkpoint.router_config import RouterConfig, parse_router_config
from vibe_router_export.checkpoint.weights import Array, ModernBertWeights, arrange

_TOKENIZER_CONFIG = "tokenizer_config.json"
_SINGLE, _INDEX = "model.safetensors", "model.safetensors.index.json"
# What a checkpoint consists of; nothing else is fetched from a hub.
_HUB_PATTERNS = [
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "router_config.json",
    "*.safetensors",
    _INDEX,
]


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A checkpoint that can be exported. `sha256` covers its configuration, tokenizer and weights.

    `training_card` is the text of its TRAINING.md, an account of how it was trained for the bundle's card.
    """

    source: str
    folder: Path
    sha256: str
    config: ModernBertConfig
    weights: ModernBertWeights
    router: RouterConfig
    training_card: str | None


def read_checkpoint(source: str | Path) -> Checkpoint:
    """Read and validate the checkpoint in a local folder, or under a hub id `organisation/name`.

    The hub is asked through huggingface_hub: its cache first, honouring HF_HUB_OFFLINE and HF_HOME.

    Raises:
        CheckpointError: nothing there, a file missing or unreadable, pickled weights, or anything in it that this
            project does not support.
    """
    folder = _find(str(source))
    config = parse_config(_read_text(folder, "config.json"))
    _read_text(folder, "tokenizer.json")
    _refuse_tokenizer_code(folder)
    files = _weight_files(folder)
    router_path, card_path = folder / "router_config.json", folder / "TRAINING.md"
    return Checkpoint(
        source=Path(source).name if Path(source).exists() else str(source),
        folder=folder,
        sha256=_hash([folder / "config.json", folder / "tokenizer.json", *files]),
        config=config,
        weights=arrange(config, dict(_tensors(files))),
        router=parse_router_config(router_path.read_text("utf-8"), where=router_path.name)
        if router_path.exists()
        else RouterConfig(),
        training_card=card_path.read_text("utf-8") if card_path.exists() else None,
    )


def _find(source: str) -> Path:
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        raise CheckpointError(f"{source} is a file", hint="pass the folder that holds config.json")
    if source.count("/") != 1 or source.startswith((".", "/", "~")):
        raise CheckpointError(f"no checkpoint at {source}", hint="pass a folder or a hub id such as org/name")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(source, allow_patterns=_HUB_PATTERNS))
    except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, OSError) as error:
        raise CheckpointError(
            f"cannot get {source} from the hub or its cache: {error}",
            hint="check the name and the network, or download it first and pass the folder",
        ) from error


def _read_text(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text("utf-8")
    except FileNotFoundError:
        raise CheckpointError(f"{folder} has no {name}", hint="save model and tokenizer with save_pretrained") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"cannot read {folder / name}: {error}", hint="check the file") from error


def _refuse_tokenizer_code(folder: Path) -> None:
    if (folder / _TOKENIZER_CONFIG).exists():
        try:
            raw = json.loads(_read_text(folder, _TOKENIZER_CONFIG))
        except (ValueError, RecursionError) as error:
            raise CheckpointError(
                f"{_TOKENIZER_CONFIG} is not valid JSON: {error}", hint="save the tokenizer again"
            ) from error
        refuse_code(raw, where=_TOKENIZER_CONFIG)


def _weight_files(folder: Path) -> list[Path]:
    if (folder / _SINGLE).exists():
        return [folder / _SINGLE]
    if (folder / _INDEX).exists():
        return [folder / name for name in _shard_names(_read_text(folder, _INDEX))]
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
                for name in file.keys():  # noqa: SIM118, the file itself cannot be iterated
                    tensor = file.get_tensor(name)
                    _check_tensor(path, name, tensor, floats=floats, duplicate=name in seen)
                    seen.add(name)
                    yield name, tensor.astype(np.float32, copy=False)
        # numpy refuses shapes that safetensors allows: more than 64 dimensions, or too large ones.
        except (SafetensorError, OSError, TypeError, ValueError, OverflowError, MemoryError) as error:
            raise CheckpointError(
                f"cannot read {path.name}: {error}",
                hint="the file is damaged or of another kind; save it again",
            ) from error


def _check_tensor(
    path: Path, name: str, tensor: np.ndarray[Any, Any], *, floats: set[np.dtype[Any]], duplicate: bool
) -> None:
    if duplicate:
        raise CheckpointError(f"{name} stands in two shards", hint="save the model again")
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
