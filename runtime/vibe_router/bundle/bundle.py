"""Find a bundle, read its manifest, check its files.

A bundle may come from a stranger, so its files are data: only those named in the manifest are ever opened,
each is a regular file inside the folder, and its size and SHA-256 are what the manifest says.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vibe_router.bundle import hub
from vibe_router.bundle.background import in_background
from vibe_router.bundle.manifest import (
    MANIFEST_LIMIT,
    MANIFEST_NAME,
    OPTIONAL_FILES,
    FileEntry,
    Manifest,
    parse_manifest,
)
from vibe_router.bundle.safe_open import Identity, corrupt, open_inside, open_parent, sha256_of
from vibe_router.bundle.strict_json import shown
from vibe_router.errors import BundleCorruptError, BundleNotFoundError, UsageError

TOKENIZER = "tokenizer.json"
WEIGHTS_SUFFIX = "_data"
"""Big graphs keep their weights in a file of the graph's name and this suffix, as the Hugging Face hub names them."""
VERIFY_MODES = ("used", "all", "off")
"""What `Router.load` hashes: what it uses and all small files; all; nothing."""
# More than any graph with its weights inside or any tokenizer has; what is larger is not read into memory.
_READ_LIMIT = 2**29
# Other engines' weights up to this size are hashed although nobody uses them.
_SMALL = 2**25


@dataclass(frozen=True)
class Bundle:
    """A folder whose manifest has been read and whose files exist with the right sizes.

    `blobs` is set for a snapshot in the Hugging Face cache, where each file is a link into that folder. `hard_links`
    is set for the bundle that was installed with this package. `hashed` is False where the caller trusts the files'
    content.
    """

    folder: Path
    manifest: Manifest
    blobs: Path | None = None
    hard_links: bool = False
    hashed: bool = True

    def path(self, name: str) -> Path:
        """Return the path of the file `name` of the manifest, checked for kind and size, not for content.

        Raises:
            BundleCorruptError: not in the manifest, missing, a link or no regular file, or of another size.
        """
        with self._open(name):
            return self.folder / name

    def read(self, name: str) -> bytes:
        """Return the content of `name`; the bytes returned are the very bytes whose hash was checked.

        Raises:
            BundleCorruptError: as `path`, or another content than the manifest says, or too much of it.
        """
        entry = self._entry(name)
        if entry.bytes > _READ_LIMIT:
            raise corrupt(f"{name} has {entry.bytes} bytes; at most {_READ_LIMIT} are read")
        try:
            with self._open(name) as descriptor, open(descriptor, "rb", closefd=False) as file:
                content = file.read(entry.bytes + 1)
        except OSError as error:
            raise corrupt(f"{name} cannot be read: {error.strerror}") from error
        if len(content) != entry.bytes or (self.hashed and hashlib.sha256(content).hexdigest() != entry.sha256):
            raise _altered(name)
        return content

    def check(self, *, skip: Collection[str] = ()) -> None:
        """Check the content of every file of the manifest, except those in `skip`, which were checked in another way.

        Raises:
            BundleCorruptError: as `read`.
        """
        for name, entry in self.manifest.files.items():
            if name in skip or self.may_be_missing(name):
                continue
            with self._open(name) as descriptor:
                if self.hashed and sha256_of(descriptor, name=name) != entry.sha256:
                    raise _altered(name)

    def check_sizes(self) -> None:
        """Check that every file of the manifest is there, of the right kind and size.

        Raises:
            BundleCorruptError: as `path`.
        """
        for name in self.manifest.files:
            if not self.may_be_missing(name):
                self.path(name)

    def begin_rest(self, file: str, *, everything: bool) -> Callable[[], None]:
        """Start to check, in a thread, the content of all that neither the engine of `file` nor the tokenizer reads.

        The big files of other engines are left out unless `everything` is asked for. Return a function that waits for
        the verdict. It raises BundleCorruptError as `read` does.
        """
        skip = {TOKENIZER, file, self.weights(file)} | (set() if everything else self.unused(file))
        return in_background(partial(self.check, skip=skip), name="vibe-router-rest")

    def weights(self, file: str) -> str:
        """Return where the big constants of the graph `file` are, if it has any."""
        stated = (engine.weights for engine in self.manifest.engines if engine.file == file)
        return next((weights for weights in stated if weights is not None), f"{file}{WEIGHTS_SUFFIX}")

    def unused(self, file: str) -> set[str]:
        """Return the big files that belong to other engines' graphs than `file`."""
        others = [engine.file for engine in self.manifest.engines if engine.file != file]
        own = self.weights(file)
        return {
            name
            for name, entry in self.manifest.files.items()
            if entry.bytes > _SMALL
            and any(name.startswith(other) for other in others)
            and not name.startswith(file)
            and name != own
        }

    @contextlib.contextmanager
    def checking(self, name: str) -> Iterator[tuple[int, int]]:
        """Yield descriptors of `name` and of its folder while a thread hashes the file.

        For weights that the engine opens by itself, inside the folder that was opened here: another folder in its
        place is not what the engine looks into. The block ends with an error unless the file has the manifest's hash
        and has neither been moved nor written to since it was opened.

        Raises:
            BundleCorruptError: as `read`, or the file changed meanwhile; also instead of an error of the block.
        """
        with self._open(name) as descriptor, open_parent(self.folder, name) as parent:
            before = Identity.of(descriptor)

            def digest() -> None:
                if self.hashed and sha256_of(descriptor, name=name) != self._entry(name).sha256:
                    raise _altered(name)

            verdict = in_background(digest, name="vibe-router-check")
            try:
                yield descriptor, parent
            finally:
                verdict()
                with self._open(name) as again:
                    if not before == Identity.of(again) == Identity.of(descriptor):
                        raise corrupt(f"{name} was changed while it was loaded")

    @contextlib.contextmanager
    def _open(self, name: str) -> Iterator[int]:
        entry = self._entry(name)
        with open_inside(self.folder, name, blobs=self.blobs, hard_links=self.hard_links) as descriptor:
            size = os.fstat(descriptor).st_size
            if size != entry.bytes:
                raise corrupt(f"{name} has {size} bytes instead of {entry.bytes}")
            yield descriptor

    def may_be_missing(self, name: str) -> bool:
        """Whether a file that the manifest lists is not there and need not be."""
        return name in OPTIONAL_FILES and not os.path.lexists(self.folder / name)

    def _entry(self, name: str) -> FileEntry:
        if name not in self.manifest.files:
            raise corrupt(f"{MANIFEST_NAME} does not list {name}")
        return self.manifest.files[name]


def open_bundle(source: str | os.PathLike[str] | None = None, *, hashed: bool = True) -> Bundle:
    """Return the bundle that `source` names: None for the bundled default, a folder, or "hf://org/name".

    A name without "hf://" is never looked up on the network. Every file of the manifest has been found with the right
    size; contents are checked by `read` and `check`, with `hashed` False for their sizes only.

    Raises:
        UsageError: `source` is neither a path nor a text.
        BundleNotFoundError: nothing is there.
        BundleCorruptError: the manifest or a file is damaged.
        SchemaError: the manifest is of another schema.
        MissingExtraError: "hf://...", and huggingface_hub is not installed.
    """
    if source is None:
        return _open_folder(bundled_folder(), hashed=hashed)
    name = os.fspath(source) if isinstance(source, (str, os.PathLike)) else None
    if not isinstance(name, str):
        raise UsageError(f"a bundle is named by a path or a text, not by {type(source).__name__}", hint=_HOW_TO_NAME)
    if name.startswith(hub.SCHEME):
        return _open_folder(hub.fetch(name), hashed=hashed)
    try:
        folder = Path(name).expanduser()
        there = folder.is_dir()
    except (OSError, RuntimeError, ValueError) as error:
        raise _not_found(name) from error
    if not there:
        raise _not_found(name)
    return _open_folder(folder, hashed=hashed)


def bundled_folder() -> Path:
    """Return the folder of the default bundle, existing or not: package data, or the source tree's."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_bundles" / "nano"
    in_source_tree = package.parent.name == "runtime" and not installed.is_dir()
    return package.parents[1] / "artifacts" / "nano" if in_source_tree else installed


_HOW_TO_NAME = (
    f"give a bundle's folder, or {hub.SCHEME}org/name for one on the Hugging Face hub; "
    "without a name the bundled default is used"
)


def _not_found(name: str) -> BundleNotFoundError:
    hint = f"to fetch it from the Hugging Face hub, say {hub.SCHEME}{name}" if hub.is_hub_id(name) else _HOW_TO_NAME
    return BundleNotFoundError(f"no bundle at {shown(name)}", hint=hint)


def check_verify_mode(mode: str) -> str:
    """Return `mode`.

    Raises:
        UsageError: it is not one of `VERIFY_MODES`.
    """
    if not isinstance(mode, str) or mode not in VERIFY_MODES:
        raise UsageError(f"verify must be one of {', '.join(VERIFY_MODES)}, not {shown(mode)}")
    return mode


def _open_folder(folder: Path, *, hashed: bool) -> Bundle:
    folder = folder.resolve()
    # The layout of the Hugging Face cache: REPOSITORY/snapshots/COMMIT/FILE links to REPOSITORY/blobs/HASH.
    blobs = folder.parents[1] / "blobs" if folder.parent.name == "snapshots" else None
    # Package managers link what they install to their caches; who can alter that can alter this code as well.
    hard_links = folder == bundled_folder().resolve()
    manifest = _read_manifest(folder, blobs=blobs, hard_links=hard_links)
    bundle = Bundle(folder, manifest, blobs, hard_links, hashed)
    bundle.check_sizes()
    return bundle


def _read_manifest(folder: Path, *, blobs: Path | None, hard_links: bool) -> Manifest:
    if not os.path.lexists(folder / MANIFEST_NAME):
        raise BundleNotFoundError(f"{shown(str(folder))} holds no {MANIFEST_NAME}", hint=_HOW_TO_NAME)
    try:
        with (
            open_inside(folder, MANIFEST_NAME, blobs=blobs, hard_links=hard_links) as descriptor,
            open(descriptor, "rb", closefd=False) as file,
        ):
            content = file.read(MANIFEST_LIMIT + 1)
    except OSError as error:
        raise corrupt(f"{MANIFEST_NAME} cannot be read: {error.strerror}") from error
    return parse_manifest(content)


def _altered(name: str) -> BundleCorruptError:
    return corrupt(f"{name} has been altered: its SHA-256 is not the manifest's")
