"""Find a bundle, read its manifest, check its files.

A bundle may come from a stranger, so its files are data: only those named in the manifest are ever opened,
each is a regular file inside the folder, and its size and SHA-256 are what the manifest says.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from vibe_router.errors import BundleCorruptError, BundleNotFoundError
from vibe_router.manifest import MANIFEST_NAME, FileEntry, Manifest, parse_manifest

_AGAIN = "download or export the bundle again"
_MANIFEST_LIMIT = 2**24
_BLOCK = 2**20


@dataclass(frozen=True)
class Bundle:
    """A folder whose manifest has been read and whose files exist with the right sizes.

    `blobs` is set for a snapshot in the Hugging Face cache, where each file is a link into that folder.
    """

    folder: Path
    manifest: Manifest
    blobs: Path | None = None

    def path(self, name: str) -> Path:
        """Return the path of the file `name` of the manifest, checked for kind and size, not for content.

        Raises:
            BundleCorruptError: not in the manifest, missing, a link or no regular file, or of another size.
        """
        entry = self._entry(name)
        path = self.folder / name
        self._refuse_links(name)
        try:
            status = path.stat()
        except OSError as error:
            raise _corrupt(f"{name} is missing") from error
        if not stat.S_ISREG(status.st_mode):
            raise _corrupt(f"{name} is not a regular file")
        if status.st_size != entry.bytes:
            raise _corrupt(f"{name} has {status.st_size} bytes instead of {entry.bytes}")
        return path

    def read(self, name: str) -> bytes:
        """Return the content of `name`; the bytes returned are the very bytes whose hash was checked.

        Raises:
            BundleCorruptError: as `path`, or another content than the manifest says.
        """
        path = self.path(name)
        entry = self._entry(name)
        try:
            with path.open("rb") as file:
                content = file.read(entry.bytes + 1)
        except OSError as error:
            raise _corrupt(f"{name} cannot be read: {error.strerror}") from error
        if len(content) != entry.bytes or hashlib.sha256(content).hexdigest() != entry.sha256:
            raise _corrupt(f"{name} has been altered: its SHA-256 is not the manifest's")
        return content

    def check(self, *, skip: Collection[str] = ()) -> None:
        """Check the content of every file of the manifest but `skip` (those read through `read`).

        Raises:
            BundleCorruptError: as `read`.
        """
        for name, entry in self.manifest.files.items():
            path = self.path(name)
            if name in skip:
                continue
            digest = hashlib.sha256()
            try:
                with path.open("rb") as file:
                    while block := file.read(_BLOCK):
                        digest.update(block)
            except OSError as error:
                raise _corrupt(f"{name} cannot be read: {error.strerror}") from error
            if digest.hexdigest() != entry.sha256:
                raise _corrupt(f"{name} has been altered: its SHA-256 is not the manifest's")

    def _entry(self, name: str) -> FileEntry:
        if name not in self.manifest.files:
            raise _corrupt(f"{MANIFEST_NAME} does not list {name}")
        return self.manifest.files[name]

    def _refuse_links(self, name: str) -> None:
        current = self.folder
        parts = name.split("/")
        for depth, part in enumerate(parts, start=1):
            current = current / part
            if not current.is_symlink():
                continue
            in_cache = depth == len(parts) and self.blobs is not None and current.resolve().parent == self.blobs
            if not in_cache:
                raise _corrupt(f"{name} is reached through a link")


def open_bundle(source: str | os.PathLike[str] | None = None) -> Bundle:
    """Return the bundle that `source` names: None for the bundled default, a folder, or a hub id `org/name`.

    Every file of the manifest has been found with the right size; contents are checked by `read` and `check`.

    Raises:
        BundleNotFoundError: nothing is there.
        BundleCorruptError: the manifest or a file is damaged.
        SchemaError: the manifest is of another schema.
        MissingExtraError: a hub id, and huggingface_hub is not installed.
    """
    if source is None:
        return _open_folder(bundled_folder())
    folder = Path(source).expanduser()
    if folder.exists():
        return _open_folder(folder)
    if isinstance(source, str):
        from vibe_router import hub

        # A missing folder beside existing ones is a mistyped path, not a name to look up on the network.
        if hub.is_hub_id(source) and not folder.parent.exists():
            return _open_folder(hub.fetch(source))
    raise BundleNotFoundError(f"no bundle at {os.fspath(source)!r}", hint=_HOW_TO_NAME)


def bundled_folder() -> Path:
    """Return the folder of the default bundle, existing or not: package data, or the source tree's."""
    package = Path(__file__).resolve().parent
    installed = package / "_bundles" / "nano"
    in_source_tree = package.parent.name == "runtime" and not installed.is_dir()
    return package.parents[1] / "artifacts" / "nano" if in_source_tree else installed


_HOW_TO_NAME = "give a bundle's folder or a hub id such as org/name; without a name the bundled default is used"


def _open_folder(folder: Path) -> Bundle:
    if not folder.is_dir():
        raise BundleNotFoundError(f"no bundle at {str(folder)!r}", hint=_HOW_TO_NAME)
    folder = folder.resolve()
    # The layout of the Hugging Face cache: REPOSITORY/snapshots/COMMIT/FILE links to REPOSITORY/blobs/HASH.
    blobs = folder.parents[1] / "blobs" if folder.parent.name == "snapshots" else None
    bundle = Bundle(folder, _read_manifest(folder), blobs)
    bundle._refuse_links(MANIFEST_NAME)
    for name in bundle.manifest.files:
        bundle.path(name)
    return bundle


def _read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST_NAME
    if not path.is_file():
        raise BundleNotFoundError(f"{str(folder)!r} holds no {MANIFEST_NAME}", hint=_HOW_TO_NAME)
    try:
        with path.open("rb") as file:
            content = file.read(_MANIFEST_LIMIT + 1)
    except OSError as error:
        raise _corrupt(f"{MANIFEST_NAME} cannot be read: {error.strerror}") from error
    if len(content) > _MANIFEST_LIMIT:
        raise _corrupt(f"{MANIFEST_NAME} is larger than {_MANIFEST_LIMIT} bytes")
    try:
        return parse_manifest(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _corrupt(f"{MANIFEST_NAME} is not UTF-8") from error


def _corrupt(message: str) -> BundleCorruptError:
    return BundleCorruptError(message, hint=_AGAIN)
