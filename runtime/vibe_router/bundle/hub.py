"""Fetch a bundle from the Hugging Face hub: from the cache first, and without network on HF_HUB_OFFLINE."""

from __future__ import annotations

import re
from pathlib import Path

from vibe_router.bundle.manifest import MANIFEST_NAME, parse_manifest
from vibe_router.errors import BundleCorruptError, BundleNotFoundError, MissingExtraError

_HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_PICKLED = (".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib")


def is_hub_id(source: str) -> bool:
    """Return whether `source` has the form org/name."""
    return _HUB_ID.fullmatch(source) is not None


def fetch(repository: str) -> Path:
    """Return the cached snapshot folder of `repository`, with the manifest and the files that it lists.

    All files come from the commit that the manifest came from.

    Raises:
        MissingExtraError: huggingface_hub is not installed.
        BundleNotFoundError: not in the cache, and not reachable or not there.
        BundleCorruptError: the manifest is damaged or lists pickled files.
        SchemaError: the manifest is of another schema.
    """
    manifest_path = _fetch_file(repository, MANIFEST_NAME, revision=None)
    manifest = parse_manifest(manifest_path.read_text(encoding="utf-8"))
    snapshot = manifest_path.parent
    for name in manifest.files:
        if name.endswith(_PICKLED):
            raise BundleCorruptError(f"{repository} lists a pickled file, {name}", hint="a bundle has no such files")
        _fetch_file(repository, name, revision=snapshot.name)
    return snapshot


def _fetch_file(repository: str, name: str, *, revision: str | None) -> Path:
    try:
        from huggingface_hub import constants, hf_hub_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError as error:
        raise MissingExtraError(f"the hub id {repository!r}", extra="hub", missing="huggingface_hub") from error
    try:
        return Path(hf_hub_download(repository, name, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError as error:
        if constants.HF_HUB_OFFLINE:
            raise BundleNotFoundError(
                f"{name} of {repository!r} is not in the cache, and HF_HUB_OFFLINE is set",
                hint="unset HF_HUB_OFFLINE to download it",
            ) from error
    try:
        return Path(hf_hub_download(repository, name, revision=revision))
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise BundleNotFoundError(
            f"cannot get {name} of {repository!r} from the hub: {str(error).splitlines()[0]}",
            hint="check the name and the network; a private repository needs `hf auth login`",
        ) from error
