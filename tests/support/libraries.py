"""What is in a shared library, read from its bytes: ELF (System V ABI) and Mach-O (Apple's loader.h)."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Library:
    """A library's own name, the names that others may call, the libraries it needs; `machine` as the format numbers it.

    `versions` are those of the symbols that ELF takes from other libraries; the last two fields are Mach-O's.
    """

    format: str
    machine: int
    name: str
    exported: set[str]
    needed: set[str]
    versions: set[str] = field(default_factory=set)
    oldest_system: tuple[int, int] | None = None
    signed: bool = False


def read_library(content: bytes) -> Library:
    """Read a 64-bit shared library of either format."""
    return _read_elf(content) if content[:4] == b"\x7fELF" else _read_macho(content)


def _text(content: bytes, start: int) -> str:
    return content[start : content.index(b"\0", start)].decode()


_DYNAMIC_STRINGS, _DYNAMIC, _DYNAMIC_SYMBOLS, _VERSIONS_NEEDED = 3, 6, 11, 0x6FFFFFFE
_NEEDED, _SONAME = 1, 14


def _read_elf(content: bytes) -> Library:
    kind, machine = struct.unpack_from("<HH", content, 16)
    assert kind == 3, "not a shared library"
    (sections_at,), (size, count) = struct.unpack_from("<Q", content, 40), struct.unpack_from("<HH", content, 58)
    # Type, offset, size, linked section.
    sections = [struct.unpack_from("<4xI16xQQI", content, sections_at + size * index) for index in range(count)]
    found = {kind: (start, length, sections[link][1]) for kind, start, length, link in sections}

    start, length, strings = found[_DYNAMIC_SYMBOLS]
    exported = set()
    for symbol in range(start + 24, start + length, 24):
        name, section = struct.unpack_from("<I2xH", content, symbol)
        if section:
            exported.add(_text(content, strings + name))

    start, length, strings = found[_DYNAMIC]
    entries = [struct.unpack_from("<QQ", content, entry) for entry in range(start, start + length, 16)]
    (soname,) = [_text(content, strings + value) for tag, value in entries if tag == _SONAME]
    needed = {_text(content, strings + value) for tag, value in entries if tag == _NEEDED}

    entry, _, strings = found[_VERSIONS_NEEDED]
    versions, following = set(), 1
    while following:
        symbols, at, following = struct.unpack_from("<2xH4xII", content, entry)
        at += entry
        for _ in range(symbols):
            name, step = struct.unpack_from("<8xII", content, at)
            versions.add(_text(content, strings + name))
            at += step
        entry += following
    return Library("ELF", machine, soname, exported, needed, versions)


_LOAD_DYLIB, _ID_DYLIB, _CODE_SIGNATURE, _DYLD_INFO, _BUILD_VERSION = 0xC, 0xD, 0x1D, 0x80000022, 0x32


def _read_macho(content: bytes) -> Library:
    magic, machine, _, kind, count = struct.unpack_from("<5I", content)
    assert (magic, kind) == (0xFEEDFACF, 6), "not a shared library"
    name, needed, exported, oldest, signed = "", set(), set(), None, False
    at = 32
    for _ in range(count):
        command, size, first, second = struct.unpack_from("<4I", content, at)
        if command == _ID_DYLIB:
            name = _text(content, at + first)
        elif command == _LOAD_DYLIB:
            needed.add(_text(content, at + first))
        elif command == _DYLD_INFO:
            (exports,) = struct.unpack_from("<I", content, at + 40)
            exported = {symbol.removeprefix("_") for symbol in _exports(content, exports, exports, "")}
        elif command == _BUILD_VERSION:
            assert first == 1, "not for macOS"
            oldest = (second >> 16, second >> 8 & 0xFF)
        elif command == _CODE_SIGNATURE:
            signed = _is_signed(content, first)
        at += size
    return Library("Mach-O", machine, name, exported, needed, oldest_system=oldest, signed=signed)


def _exports(content: bytes, root: int, node: int, prefix: str) -> list[str]:
    """Return the names of a trie of exported symbols; numbers in it are ULEB128."""

    def number(at: int) -> tuple[int, int]:
        value, shift = 0, 0
        while True:
            value |= (content[at] & 0x7F) << shift
            shift += 7
            at += 1
            if content[at - 1] < 0x80:
                return value, at

    size, at = number(node)
    names = [prefix] if size else []
    at += size
    children, at = content[at], at + 1
    for _ in range(children):
        label = _text(content, at)
        child, at = number(at + len(label) + 1)
        names += _exports(content, root, root + child, prefix + label)
    return names


def _is_signed(content: bytes, start: int) -> bool:
    """Whether the hashes in an ad-hoc signature, which an arm64 Mac asks for, are those of the pages."""
    _, _, blobs = struct.unpack_from(">III", content, start)
    for blob in range(blobs):
        _, offset = struct.unpack_from(">II", content, start + 12 + 8 * blob)
        directory = start + offset
        magic, _, _, _, hashes, _, _, pages, limit, hash_size, algorithm, _, page = struct.unpack_from(
            ">9I4B", content, directory
        )
        if magic == 0xFADE0C02:
            assert (hash_size, algorithm) == (32, 2), "not SHA-256"
            told = [content[directory + hashes + 32 * index :][:32] for index in range(pages)]
            starts = range(0, limit, 1 << page)
            return told == [hashlib.sha256(content[at : min(at + (1 << page), limit)]).digest() for at in starts]
    return False
