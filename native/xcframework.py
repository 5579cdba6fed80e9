"""An XCFramework of the C library for Xcode: the static libraries of macOS as one, with header, module map and list.

`python native/dist.py` writes it next to the archives. Without Apple's tools the file for both processors is written
here, as `lipo` does (Apple's fat.h), and what was written is read again: the list, the paths, the processor of every
object.
"""

from __future__ import annotations

import plistlib
import shutil
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

NAME = "VibeRouter.xcframework"
LIBRARY, HEADERS = "libvibe_router.a", "Headers"
_PLACE = "macos-arm64_x86_64"
_FAT_MAGIC, _MACH_O_64 = 0xCAFEBABE, 0xFEEDFACF
# The processors of machine.h, with the subtype that every processor of the kind runs.
_PROCESSORS = {"arm64": (0x0100000C, 0), "x86_64": (0x01000007, 3)}
_ALIGNMENT = 14
_MODULE_MAP = 'module CVibeRouter {\n    header "vibe_router.h"\n    export *\n}\n'


class XCFrameworkError(RuntimeError):
    """What was written is not what Xcode reads."""


def write(folder: Path, libraries: Mapping[str, Path], header: Path) -> Path:
    """Write the framework of static libraries, by processor, into `folder` and return it.

    Raises:
        XCFrameworkError: a library is not one of that processor.
    """
    framework = folder / NAME
    shutil.rmtree(framework, ignore_errors=True)
    headers = framework / _PLACE / HEADERS
    headers.mkdir(parents=True)
    shutil.copyfile(header, headers / header.name)
    (headers / "module.modulemap").write_text(_MODULE_MAP, encoding="utf-8")
    (framework / _PLACE / LIBRARY).write_bytes(_fat({name: path.read_bytes() for name, path in libraries.items()}))
    entry = {
        "BinaryPath": LIBRARY,
        "HeadersPath": HEADERS,
        "LibraryIdentifier": _PLACE,
        "LibraryPath": LIBRARY,
        "SupportedArchitectures": sorted(libraries),
        "SupportedPlatform": "macos",
    }
    about = {"AvailableLibraries": [entry], "CFBundlePackageType": "XFWK", "XCFrameworkFormatVersion": "1.0"}
    (framework / "Info.plist").write_bytes(plistlib.dumps(about))
    check(framework)
    return framework


def pack(framework: Path, archive: Path) -> None:
    """Write a zip, as a binary target of a Swift package names it; the same files give the same bytes."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(framework.rglob("*")):
            if path.is_file():
                about = zipfile.ZipInfo(path.relative_to(framework.parent).as_posix(), (1980, 1, 1, 0, 0, 0))
                about.external_attr, about.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
                packed.writestr(about, path.read_bytes())


def check(framework: Path) -> None:
    """Read a framework as Xcode does.

    Raises:
        XCFrameworkError: the list names what is not there, or an object is for another processor.
    """
    about = plistlib.loads((framework / "Info.plist").read_bytes())
    if about.get("CFBundlePackageType") != "XFWK" or about.get("XCFrameworkFormatVersion") != "1.0":
        raise XCFrameworkError("Info.plist is not that of an XCFramework")
    for entry in about["AvailableLibraries"]:
        place = framework / entry["LibraryIdentifier"]
        headers = place / entry["HeadersPath"]
        library = place / entry["LibraryPath"]
        if not library.is_file() or not (headers / "module.modulemap").is_file():
            raise XCFrameworkError(f"{place.name} has no library or no module map")
        found = dict(_slices(library.read_bytes()))
        if sorted(found) != entry["SupportedArchitectures"]:
            raise XCFrameworkError(f"{library} is for {sorted(found)}, and the list says otherwise")
        for name, content in found.items():
            kinds = set(_objects(content))
            if kinds != {_PROCESSORS[name][0]}:
                raise XCFrameworkError(f"the part for {name} has objects of other processors, or none")


def _fat(libraries: Mapping[str, bytes]) -> bytes:
    """Join libraries: a header, and each at a multiple of 2^14 bytes."""
    at = 1 << _ALIGNMENT
    head, body = struct.pack(">II", _FAT_MAGIC, len(libraries)), b""
    for name, content in sorted(libraries.items()):
        start = at + len(body)
        head += struct.pack(">iiIII", *_PROCESSORS[name], start, len(content), _ALIGNMENT)
        body += content + bytes(-len(content) % at)
    return head.ljust(at, b"\0") + body


def _slices(content: bytes) -> Iterator[tuple[str, bytes]]:
    magic, count = struct.unpack_from(">II", content)
    if magic != _FAT_MAGIC:
        raise XCFrameworkError("the library is not one for several processors")
    for place in range(count):
        processor, _, start, size, alignment = struct.unpack_from(">iiIII", content, 8 + 20 * place)
        names = [name for name, (kind, _) in _PROCESSORS.items() if kind == processor]
        if not names or start % (1 << alignment) or start + size > len(content):
            raise XCFrameworkError("a part of the library is of an unknown processor or lies outside")
        yield names[0], content[start : start + size]


def _objects(archive: bytes) -> Iterator[int]:
    """Yield the processor of each object of a static library (ar(5), with names as BSD writes them)."""
    if not archive.startswith(b"!<arch>\n"):
        raise XCFrameworkError("a part is not a static library")
    at = 8
    while at + 60 <= len(archive):
        name, size = archive[at : at + 16], int(archive[at + 48 : at + 58])
        begin = at + 60
        skipped = int(name[3:]) if name.startswith(b"#1/") else 0
        if size - skipped >= 8:
            magic, processor = struct.unpack_from("<II", archive, begin + skipped)
            if magic == _MACH_O_64:
                yield processor
        at = begin + size + size % 2
