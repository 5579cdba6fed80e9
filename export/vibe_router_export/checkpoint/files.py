"""Read the files of a checkpoint as those of a bundle are read: no links, no devices, nothing without a bound."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any

from vibe_router.bundle.safe_open import open_inside
from vibe_router.bundle.strict_json import load_strictly, shown
from vibe_router.errors import BundleCorruptError, CheckpointError

# Far above what any library writes. A vocabulary of 256 k entries has 34 MB.
_MOST_BYTES = 2**20
_MOST_TOKENIZER_BYTES = 2**26
_SURROGATE = re.compile("[\ud800-\udfff]")
RESAVE = "save the checkpoint again with transformers' save_pretrained"
"""The hint of an error of a file that no library writes so."""


def has_file(folder: Path, name: str) -> bool:
    """Return whether the folder has an entry of this name, whatever it is."""
    return os.path.lexists(folder / name)


def read_bytes(folder: Path, name: str) -> bytes:
    """Return the content of the regular file `name`.

    Links are refused, because they can lead to files that are nobody's business; those of a Hugging Face cache's
    snapshot into its blobs are followed.

    Raises:
        CheckpointError: missing, a link, no regular file, unreadable or too large.
    """
    # The layout of the Hugging Face cache: REPOSITORY/snapshots/COMMIT/FILE links to REPOSITORY/blobs/HASH.
    place = folder.resolve()
    blobs = place.parents[1] / "blobs" if place.parent.name == "snapshots" else None
    most = _MOST_TOKENIZER_BYTES if name in ("tokenizer.json", "model.safetensors.index.json") else _MOST_BYTES
    if not has_file(folder, name):
        raise CheckpointError(f"{folder} has no {name}", hint="save model and tokenizer with save_pretrained")
    try:
        with (
            open_inside(folder, name, blobs=blobs, hard_links=True) as descriptor,
            open(descriptor, "rb", closefd=False) as file,
        ):
            content = file.read(most + 1)
    except BundleCorruptError as error:
        raise CheckpointError(error.message, hint=f"put a plain file at {folder / name}") from error
    except OSError as error:
        raise CheckpointError(f"cannot read {folder / name}: {error.strerror}", hint="check the file") from error
    if len(content) > most:
        raise CheckpointError(f"{name} has more than {most} bytes", hint=RESAVE)
    return content


def read_text(folder: Path, name: str) -> str:
    """Return the text of a file.

    Raises:
        CheckpointError: as `read_bytes`, or it is not UTF-8.
    """
    try:
        return read_bytes(folder, name).decode("utf-8")
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{name} is not UTF-8: {error.reason} at byte {error.start}", hint=RESAVE) from error


def read_object(folder: Path, name: str) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises:
        CheckpointError: as `read_text`, or as `parse_object`.
    """
    return parse_object(read_text(folder, name), name)


def parse_object(text: str, where: str) -> dict[str, Any]:
    """Return the JSON object in `text`; `where` names it in errors.

    Raises:
        CheckpointError: not JSON, NaN or infinity, a key twice, a lone surrogate in a text, or not an object.
    """
    try:
        value = load_strictly(text)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise CheckpointError(f"{where} is not valid JSON: {reason}", hint=RESAVE) from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{where} is not an object", hint=RESAVE)
    # Only an escape can spell a surrogate in UTF-8.
    if "\\u" in text:
        _refuse_surrogates(value, where)
    return value


def weight_file(folder: Path, name: str) -> Path:
    """Return the path of a file of tensors, which may be a link because such files are large.

    Raises:
        CheckpointError: missing, or no regular file.
    """
    path = folder / name
    try:
        regular = stat.S_ISREG(path.stat().st_mode)
    except OSError as error:
        raise CheckpointError(
            f"{folder} lacks {name}: {error.strerror}", hint="the download was interrupted; fetch the file again"
        ) from error
    # No system has a file whose name holds a zero or a lone surrogate.
    except ValueError as error:
        raise CheckpointError(f"no file can have the name {shown(name)}", hint=RESAVE) from error
    if not regular:
        raise CheckpointError(f"{name} is not a regular file", hint=f"put a plain file at {path}")
    return path


def _refuse_surrogates(value: dict[str, Any], where: str) -> None:
    # A list instead of recursion, which a deeply nested file would break.
    left: list[Any] = [value]
    while left:
        item = left.pop()
        if isinstance(item, dict):
            left += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            left += item
        elif isinstance(item, str) and _SURROGATE.search(item):
            raise CheckpointError(f"{where} has a text with a lone surrogate, {shown(item)}", hint=RESAVE)
