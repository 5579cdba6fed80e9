"""Find a checkpoint: a folder, or an id of the hub."""

from __future__ import annotations

from pathlib import Path

from vibe_router.errors import CheckpointError

# What a checkpoint consists of; nothing else is fetched from a hub.
_HUB_PATTERNS = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "router_config.json",
    "TRAINING.md",
    "adapter_config.json",
    "*.safetensors",
    "model.safetensors.index.json",
)


def find_checkpoint(source: str | Path) -> Path:
    """Return the folder of a checkpoint: `source` itself, or what the hub has under the id `organisation/name`.

    The hub is asked through huggingface_hub: its cache first, honouring HF_HUB_OFFLINE and HF_HOME.

    Raises:
        CheckpointError: nothing is there, or it cannot be fetched.
    """
    name = str(source)
    try:
        folder = Path(name).expanduser()
    except RuntimeError as error:
        raise _nothing_at(name) from error
    if folder.is_dir():
        return folder
    if folder.exists():
        raise CheckpointError(f"{name} is a file", hint="pass the folder that holds config.json")
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise _nothing_at(name)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=list(_HUB_PATTERNS)))
    except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, OSError) as error:
        raise CheckpointError(
            f"cannot get {name} from the hub or its cache: {error}",
            hint="check the name and the network, or download it first and pass the folder",
        ) from error


def _nothing_at(name: str) -> CheckpointError:
    return CheckpointError(f"no checkpoint at {name}", hint="pass a folder or a hub id such as org/name")
