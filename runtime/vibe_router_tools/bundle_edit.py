"""A changed copy of a bundle: written next to its place, checked, renamed; the original stays."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from vibe_router.bundle.bundle import Bundle, open_bundle
from vibe_router.bundle.manifest import MANIFEST_NAME, FileEntry, Manifest, dump_manifest, parse_manifest
from vibe_router.bundle.safe_open import sha256_of
from vibe_router.errors import BundleCorruptError, UsageError
from vibe_router_tools.atomic.write import staged_folder
from vibe_router_tools.card import CARD, read_card, with_scores, with_section, write_card
from vibe_router_tools.router_file import has_sections, settings_sections, write_sections


def check_free(folder: Path) -> None:
    """Check that a copy can be made at `folder`, before any work is done for it.

    Raises:
        UsageError: something is there already, or its parent is not a folder.
    """
    if folder.exists() or folder.is_symlink():
        raise UsageError(f"{folder} exists", hint="name a folder that does not exist; nothing is overwritten")
    if not folder.absolute().parent.is_dir():
        raise UsageError(f"{folder.absolute().parent} is not a folder", hint="create it first")


@dataclass(frozen=True)
class CardSection:
    """A section in Markdown that a card gains, and the headings of those it replaces, where they are others."""

    text: str
    instead_of: str | None = None


def write_copy(bundle: Bundle, folder: Path, manifest: Manifest, *, card_section: CardSection | None) -> None:
    """Write a copy of `bundle` with another `manifest` (of the same files) to `folder`.

    The card, where the bundle has one, is what people read: it shows the thresholds of `manifest`, and gains
    `card_section`.

    Raises:
        UsageError: as check_free, or the copy cannot be written.
        BundleCorruptError: the bundle's files are not what its manifest says.
    """
    check_free(folder)
    with staged_folder(folder) as staged:
        copy_files(bundle, staged)
        write_manifest(_renew_settings(staged, _renew_card(staged, manifest, card_section)), staged)
        open_bundle(staged).check()
        staged.chmod(bundle.folder.stat().st_mode & 0o777)


def copy_files(bundle: Bundle, folder: Path) -> None:
    """Copy the manifest of `bundle` and the files it lists into an empty folder, and check the copies.

    Raises:
        BundleCorruptError: the files are not what the manifest says, or were replaced while they were copied.
    """
    for name in bundle.manifest.files:
        if bundle.may_be_missing(name):
            continue
        copied = folder / name
        copied.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(bundle.path(name), copied)
        except (FileNotFoundError, PermissionError) as error:
            raise BundleCorruptError(f"{name} cannot be read: {error.strerror}", hint="make it readable") from error
    write_manifest(bundle.manifest, folder)
    # Whoever changes the copy enters new hashes: what was altered in the original must be found before.
    Bundle(folder, bundle.manifest).check()


def _renew_settings(folder: Path, manifest: Manifest) -> Manifest:
    """Write thresholds, calibration and labels into the files that a reader in C takes them from."""
    files = dict(manifest.files)
    for engine in manifest.engines:
        path = folder / engine.file
        if engine.kind == "native" and has_sections(path):
            write_sections(path, settings_sections(manifest))
            files[engine.file] = FileEntry(bytes=path.stat().st_size, sha256=_sha256(path))
    return replace(manifest, files=files)


def _sha256(path: Path) -> str:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return sha256_of(descriptor, name=path.name)
    finally:
        os.close(descriptor)


def write_manifest(manifest: Manifest, folder: Path) -> Manifest:
    """Write router.json into `folder`, and return the manifest as a reader will see it.

    Raises:
        BundleCorruptError: the manifest would not pass its own reader (a name with a slash, say).
    """
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
            entries[name] = FileEntry(bytes=path.stat().st_size, sha256=_sha256(path))
    return entries


def _renew_card(folder: Path, manifest: Manifest, section: CardSection | None) -> Manifest:
    files = {name: entry for name, entry in manifest.files.items() if name != CARD}
    if (folder / CARD).exists():
        card = with_scores(read_card(folder), manifest)
        if section is not None:
            card = with_section(card, section.text, instead_of=section.instead_of)
        write_card(folder, card)
        files[CARD] = FileEntry(bytes=(folder / CARD).stat().st_size, sha256=_sha256(folder / CARD))
    return replace(manifest, files=files)
