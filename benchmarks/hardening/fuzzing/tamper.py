"""Every region of every file of a bundle altered, with and without the attacker's new hashes in the manifest."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import Enum
from functools import partial

from benchmarks.hardening.fuzzing.sandbox import Sandbox
from benchmarks.hardening.fuzzing.subjects import (
    TARGETS,
    Folders,
    Subject,
    WrongAnswerError,
    check_bundle,
    known_decisions,
)
from vibe_router.bundle.manifest import MANIFEST_NAME, OPTIONAL_FILES

TAMPER = "tamper"
REHASHED = "tamper, rehashed"
"""Two targets: the manifest's hashes are kept; the attacker enters those of what he has written."""
_DECIDE = ("onnx/model_fast.onnx", "onnx/model.onnx_data", "tokenizer.json")
"""Files that an attacker who may write hashes can change decisions with; no other file has a say in them."""


class Change(str, Enum):
    """What is done to a file; the first three to a region of it."""

    FLIP = "flip a bit"
    ZERO = "overwrite with zeros"
    CUT = "truncate"
    DROP = "drop"
    EMPTY = "empty"
    REMOVE = "remove"
    SWAP_BUNDLE = "swap with another bundle's"
    SWAP_FILE = "swap with another file"


@dataclass(frozen=True, kw_only=True)
class Tampering:
    """One altered file. `region` counts from 0 of `regions`; `other` is the file that is put in its place."""

    file: str
    change: Change
    region: int
    regions: int
    rehash: bool
    other: str = ""


def tamperings(files: list[str], *, regions: int, rehash: bool) -> Iterator[Tampering]:
    """Yield every tampering of every file."""
    for file in files:
        for change in (Change.FLIP, Change.ZERO, Change.CUT, Change.DROP):
            for region in range(regions):
                yield Tampering(file=file, change=change, region=region, regions=regions, rehash=rehash)
        for change in (Change.EMPTY, Change.REMOVE, Change.SWAP_BUNDLE):
            yield Tampering(file=file, change=change, region=0, regions=1, rehash=rehash)
        for other in files:
            if other != file:
                yield Tampering(file=file, change=Change.SWAP_FILE, region=0, regions=1, rehash=rehash, other=other)


def dump(tampering: Tampering) -> bytes:
    """Return a tampering as an input for the worker."""
    return json.dumps(asdict(tampering)).encode()


def all_subjects() -> dict[str, Callable[[Folders], Subject]]:
    """Return the fuzzers' subjects and the tampering's."""
    return TARGETS | {TAMPER: partial(_subject, rehash=False), REHASHED: partial(_subject, rehash=True)}


def _subject(folders: Folders, *, rehash: bool) -> Subject:
    box, other = Sandbox(folders.bundle), Sandbox(folders.other)
    known = known_decisions(folders.bundle)

    def check(content: bytes) -> None:
        fields = json.loads(content)
        tampering = Tampering(**{**fields, "change": Change(fields["change"])})
        altered = _alter(tampering, box.originals, other.originals)
        box.replace(tampering.file, altered, rehash=tampering.rehash)
        try:
            check_bundle(folders.bundle, None if tampering.rehash and tampering.file in _DECIDE else known)
        finally:
            box.restore()
        left_out = altered is None and tampering.file in OPTIONAL_FILES
        unprotected = tampering.rehash or tampering.file == MANIFEST_NAME or left_out
        if not unprotected and altered != box.originals[tampering.file]:
            raise WrongAnswerError(f"an altered {tampering.file} was not noticed")

    def make(draw: random.Random) -> bytes:
        return dump(draw.choice(list(tamperings(list(box.originals), regions=16, rehash=rehash))))

    return Subject(make=make, check=check)


def _alter(tampering: Tampering, originals: dict[str, bytes], other: dict[str, bytes]) -> bytes | None:
    original = originals[tampering.file]
    start = len(original) * tampering.region // tampering.regions
    end = len(original) * (tampering.region + 1) // tampering.regions
    match tampering.change:
        case Change.FLIP:
            middle = min((start + end) // 2, len(original) - 1)
            return original[:middle] + bytes([original[middle] ^ 1]) + original[middle + 1 :]
        case Change.ZERO:
            return original[:start] + bytes(end - start) + original[end:]
        case Change.CUT:
            return original[:start]
        case Change.DROP:
            return original[:start] + original[end:]
        case Change.EMPTY:
            return b""
        case Change.REMOVE:
            return None
        case Change.SWAP_BUNDLE:
            return other[tampering.file]
        case Change.SWAP_FILE:
            return originals[tampering.other]
