"""Fetch a bundle from the Hugging Face hub: from the cache first, and without network on HF_HUB_OFFLINE.

The hub is asked only for a name that begins with "hf://", such as `hf://org/name` or `hf://org/name@revision`, because
anybody may own the hub's name that a mistyped folder happens to have.
"""

from __future__ import annotations

import re
from pathlib import Path

from vibe_router.bundle.manifest import MANIFEST_LIMIT, MANIFEST_NAME, parse_manifest
from vibe_router.errors import BundleCorruptError, BundleNotFoundError, MissingExtraError, UsageError
from vibe_router.printable import first_line

SCHEME = "hf://"
# As huggingface_hub.utils.validate_repo_id has it, with an organisation.
_PART = r"[A-Za-z0-9]+(?:(?:-|_|\.)[A-Za-z0-9]+|_)*"
_HUB_ID = re.compile(rf"(?=.{{3,96}}\Z){_PART}/{_PART}")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}")
_PICKLED = (".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib")


def is_hub_id(source: str) -> bool:
    """Return whether `source` has the form org/name."""
    return _HUB_ID.fullmatch(source) is not None


def fetch(name: str) -> Path:
    """Return the snapshot folder of `hf://org/name` or `hf://org/name@revision` in the cache, all listed files in it.

    All files come from the commit that the manifest came from.

    Raises:
        UsageError: `name` is not of that form.
        MissingExtraError: huggingface_hub is not installed.
        BundleNotFoundError: not in the cache, and not reachable or not there.
        BundleCorruptError: the manifest is damaged or lists pickled files.
        SchemaError: the manifest is of another schema.
    """
    repository, at, revision = name.removeprefix(SCHEME).partition("@")
    if not is_hub_id(repository) or (at and not _REVISION.fullmatch(revision)):
        raise UsageError(
            f"{name[:128]!r} is no name on the Hugging Face hub",
            hint=f"give {SCHEME}org/name or {SCHEME}org/name@revision",
        )
    manifest_path = _fetch_file(repository, MANIFEST_NAME, revision=revision or None)
    with manifest_path.open("rb") as file:
        manifest = parse_manifest(file.read(MANIFEST_LIMIT + 1))
    snapshot = manifest_path.parent
    for path in manifest.files:
        if path.endswith(_PICKLED):
            raise BundleCorruptError(f"{repository} lists a pickled file, {path}", hint="a bundle has no such files")
        _fetch_file(repository, path, revision=snapshot.name)
    return snapshot


def _fetch_file(repository: str, name: str, *, revision: str | None) -> Path:
    try:
        from huggingface_hub import constants, hf_hub_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError as error:
        raise MissingExtraError(f"the name {SCHEME}{repository}", extra="hub", missing="huggingface_hub") from error
    try:
        return Path(hf_hub_download(repository, name, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError as error:
        if constants.HF_HUB_OFFLINE:
            raise BundleNotFoundError(
                f"{name} of {repository!r} is not in the cache, and HF_HUB_OFFLINE is set",
                hint="unset HF_HUB_OFFLINE to download it",
            ) from error
    except (OSError, ValueError) as error:
        raise _unreachable(repository, name, error) from error
    try:
        return Path(hf_hub_download(repository, name, revision=revision))
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise _unreachable(repository, name, error) from error


def _unreachable(repository: str, name: str, error: Exception) -> BundleNotFoundError:
    return BundleNotFoundError(
        f"cannot get {name} of {repository!r} from the hub: {first_line(error)}",
        hint="check the name and the network; a private repository needs `hf auth login`",
    )
