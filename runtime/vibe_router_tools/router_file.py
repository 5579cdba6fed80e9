"""Sections of a native file: written after the engine's tensors, or replaced."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from vibe_router.bundle.manifest import Manifest
from vibe_router.engines.native.sections import CONTENTS, END, FILLER, PREFIX, SECTIONS

_ALIGNMENT = 64
_MAGIC = b"vibe-router-file"
_VERSION = 1
_BLOCK = 2**24
_TYPES = {"I64": np.int64, "I32": np.int32, "U8": np.uint8, "F32": np.float32}
Array = NDArray[np.generic]


@dataclass(frozen=True)
class _Tensor:
    """A tensor of the new file: its entry in the header, and its bytes, or where they are in the old file."""

    name: str
    type: str
    shape: tuple[int, ...]
    content: bytes | tuple[int, int]

    @property
    def bytes(self) -> int:
        return len(self.content) if isinstance(self.content, bytes) else self.content[1] - self.content[0]


def settings_sections(manifest: Manifest) -> dict[str, Array]:
    """Return what the file says of thresholds, calibration, labels and names.

    `router.settings` is: whether the temperature is folded in, the default profile's place, how many profiles, the
    temperature; place and length in `router.strings` of the name, the version and the labels of device and cloud; then
    of each profile place and length of its name, raw and calibrated threshold. Numbers of float64 are there bit by bit.
    """
    texts = [manifest.name, manifest.version, manifest.labels.device, manifest.labels.cloud, *manifest.thresholds]
    strings, places = b"", []
    for text in texts:
        encoded = text.encode().replace(b"\0", b"")
        places.append((len(strings), len(encoded)))
        strings += encoded + b"\0"
    default = [*manifest.thresholds].index(manifest.default_profile)
    words = [
        int(manifest.calibration.folded),
        default,
        len(manifest.thresholds),
        _bits(manifest.calibration.temperature),
    ]
    for place in places[:4]:
        words += place
    for place, threshold in zip(places[4:], manifest.thresholds.values(), strict=True):
        words += [*place, _bits(threshold.raw), _bits(threshold.calibrated)]
    return {"router.settings": np.array(words, np.int64), "router.strings": np.frombuffer(strings, np.uint8)}


def write_sections(path: Path, sections: Mapping[str, Array]) -> None:
    """Write sections into the native file at `path`, in place of those of the same names; the rest stays.

    The file is replaced by a new one, because the old one may still be mapped.
    """
    partial = path.with_name(f".{path.name}.partial")
    with path.open("rb") as source:
        header, start = _read_header(source)
        metadata = header.pop("__metadata__")
        tensors = [*_tensors(header, _counts(source, header, start), sections)]
        with partial.open("wb") as target:
            _write(target, source, start, metadata, tensors)
    partial.replace(path)


def has_sections(path: Path) -> bool:
    """Return whether the native file at `path` is a whole router."""
    with path.open("rb") as source:
        return END in _read_header(source)[0]


def _bits(number: float) -> int:
    return int.from_bytes(struct.pack("<d", number), "little", signed=True)


def _read_header(source: BinaryIO) -> tuple[dict[str, Any], int]:
    length = int.from_bytes(source.read(8), "little")
    header: dict[str, Any] = json.loads(source.read(length))
    return header, 8 + length


def _counts(source: BinaryIO, header: dict[str, Any], start: int) -> dict[str, int]:
    """Return how many elements the sections have; their tensors are filled up to a multiple of 64 bytes."""
    if CONTENTS not in header:
        return {}
    source.seek(start + header[CONTENTS]["data_offsets"][0])
    contents = np.frombuffer(source.read(16 * len(SECTIONS)), np.int64).reshape(-1, 2)
    return {name: int(count) for name, count in zip(SECTIONS, contents[:, 1], strict=True)}


def _tensors(header: dict[str, Any], counts: dict[str, int], sections: Mapping[str, Array]) -> Iterator[_Tensor]:
    """Yield the tensors of the new file in its order; the sections' sizes are multiples of 64 bytes."""
    end = 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        if not name.startswith(PREFIX):
            begin, end = entry["data_offsets"]
            yield _Tensor(name, entry["dtype"], tuple(entry["shape"]), (begin, end))
    filler = -end % _ALIGNMENT
    yield _Tensor(FILLER, "U8", (filler,), bytes(filler))
    place, contents = end + filler, []
    for name, kind in SECTIONS.items():
        if name in sections:
            values = np.ascontiguousarray(sections[name], _TYPES[kind]).reshape(-1)
            count, content = len(values), values.tobytes()
            # The reader in C refuses an empty section.
            content = content.ljust(max(len(content) + -len(content) % _ALIGNMENT, _ALIGNMENT), b"\0")
            tensor = _Tensor(name, kind, (len(content) // values.itemsize,), content)
        else:
            entry, count = header[name], counts[name]
            tensor = _Tensor(name, kind, tuple(entry["shape"]), tuple(entry["data_offsets"]))
        contents += [place, count]
        place += tensor.bytes
        yield tensor
    words = np.array(contents, np.int64).tobytes()
    words = words.ljust(len(words) + -len(words) % _ALIGNMENT, b"\0")
    yield _Tensor(CONTENTS, "I64", (len(words) // 8,), words)
    # `_write` fills it in: it holds places that depend on the header's length.
    yield _Tensor(END, "U8", (64,), struct.pack("<16sQQQQ16x", _MAGIC, _VERSION, 0, 0, place))


def _write(target: BinaryIO, source: BinaryIO, start: int, metadata: object, tensors: list[_Tensor]) -> None:
    entries: dict[str, object] = {"__metadata__": metadata}
    place = 0
    for tensor in tensors:
        offsets = [place, place + tensor.bytes]
        entries[tensor.name] = {"dtype": tensor.type, "shape": list(tensor.shape), "data_offsets": offsets}
        place += tensor.bytes
    text = json.dumps(entries, separators=(",", ":")).encode()
    text = text.ljust(len(text) + -(len(text) + 8) % _ALIGNMENT)
    target.write(len(text).to_bytes(8, "little") + text)
    begin = target.tell()
    for tensor in tensors[:-1]:
        if isinstance(tensor.content, bytes):
            target.write(tensor.content)
        else:
            source.seek(start + tensor.content[0])
            for first in range(0, tensor.bytes, _BLOCK):
                target.write(source.read(min(_BLOCK, tensor.bytes - first)))
    (contents,) = struct.unpack_from("<Q", tensors[-1].content, 40)  # type: ignore[arg-type]
    target.write(struct.pack("<16sQQQQ16x", _MAGIC, _VERSION, begin + place, begin, contents))
