"""An XCFramework of the C library for Xcode: static libraries of macOS and iOS, with header, module map and list.

`python native/dist.py` writes it next to the archives. Without Apple's tools the file for both processors is written
here, as `lipo` does (Apple's fat.h), and what was written is read again: the list, the paths, the processor and the
system of every object.
"""

from __future__ import annotations

import plistlib
import shutil
import struct
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

NAME = "VibeRouter.xcframework"
LIBRARY, HEADERS = "libvibe_router.a", "Headers"
_FAT_MAGIC, _MACH_O_64 = 0xCAFEBABE, 0xFEEDFACF
# The processors of machine.h, with the subtype that every processor of the kind runs.
_PROCESSORS = {"arm64": (0x0100000C, 0), "x86_64": (0x01000007, 3)}
_ALIGNMENT = 14
# The systems of Apple's loader.h, in the command that names the one an object is for.
_BUILD_VERSION = 0x32
_SYSTEMS = {("macos", ""): 1, ("ios", ""): 2, ("ios", "simulator"): 7}
_MODULE_MAP = 'module CVibeRouter {\n    header "vibe_router.h"\n    export *\n}\n'


class XCFrameworkError(RuntimeError):
    """What was written is not what Xcode reads."""


def write(folder: Path, systems: Mapping[str, Mapping[str, Path]], header: Path, licence: Path) -> Path:
    """Write the framework of static libraries, by system and processor, into `folder` and return it.

    A system has the name that Xcode gives its folder, such as ios-arm64-simulator.

    Raises:
        XCFrameworkError: a library is not one of that system and processor.
    """
    framework = folder / NAME
    shutil.rmtree(framework, ignore_errors=True)
    entries = [_write_system(framework, name, libraries, header) for name, libraries in systems.items()]
    shutil.copyfile(licence, framework / licence.name)
    about = {"AvailableLibraries": entries, "CFBundlePackageType": "XFWK", "XCFrameworkFormatVersion": "1.0"}
    (framework / "Info.plist").write_bytes(plistlib.dumps(about))
    check(framework)
    return framework


def _write_system(framework: Path, name: str, libraries: Mapping[str, Path], header: Path) -> dict[str, object]:
    """Write the folder of a system, and return its entry in the list."""
    headers = framework / name / HEADERS
    headers.mkdir(parents=True)
    shutil.copyfile(header, headers / header.name)
    (headers / "module.modulemap").write_text(_MODULE_MAP, encoding="utf-8")
    contents = {processor: path.read_bytes() for processor, path in libraries.items()}
    whole = _fat(contents) if len(contents) > 1 else next(iter(contents.values()))
    (framework / name / LIBRARY).write_bytes(whole)
    system, _, variant = name.partition("-")
    entry: dict[str, object] = {
        "BinaryPath": LIBRARY,
        "HeadersPath": HEADERS,
        "LibraryIdentifier": name,
        "LibraryPath": LIBRARY,
        "SupportedArchitectures": sorted(libraries),
        "SupportedPlatform": system,
    }
    return entry | ({"SupportedPlatformVariant": "simulator"} if variant.endswith("-simulator") else {})


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
        found = dict(_slices(library.read_bytes(), entry["SupportedArchitectures"]))
        system = _SYSTEMS[entry["SupportedPlatform"], entry.get("SupportedPlatformVariant", "")]
        if sorted(found) != entry["SupportedArchitectures"]:
            raise XCFrameworkError(f"{library} is for {sorted(found)}, and the list says otherwise")
        for name, content in found.items():
            if set(_objects(content)) != {(_PROCESSORS[name][0], system)}:
                raise XCFrameworkError(f"the part for {name} has objects of other processors or systems, or none")


def _fat(libraries: Mapping[str, bytes]) -> bytes:
    """Join libraries: a header, and each at a multiple of 2^14 bytes."""
    at = 1 << _ALIGNMENT
    head, body = struct.pack(">II", _FAT_MAGIC, len(libraries)), b""
    for name, content in sorted(libraries.items()):
        start = at + len(body)
        head += struct.pack(">iiIII", *_PROCESSORS[name], start, len(content), _ALIGNMENT)
        body += content + bytes(-len(content) % at)
    return head.ljust(at, b"\0") + body


def _slices(content: bytes, processors: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    if len(processors) == 1:
        yield processors[0], content
        return
    magic, count = struct.unpack_from(">II", content)
    if magic != _FAT_MAGIC:
        raise XCFrameworkError("the library is not one for several processors")
    for place in range(count):
        processor, _, start, size, alignment = struct.unpack_from(">iiIII", content, 8 + 20 * place)
        names = [name for name, (kind, _) in _PROCESSORS.items() if kind == processor]
        if not names or start % (1 << alignment) or start + size > len(content):
            raise XCFrameworkError("a part of the library is of an unknown processor or lies outside")
        yield names[0], content[start : start + size]


def _objects(archive: bytes) -> Iterator[tuple[int, int]]:
    """Yield processor and system of each object of a static library (ar(5), with names as BSD writes them)."""
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
                yield processor, _system(archive[begin + skipped :])
        at = begin + size + size % 2


def _system(image: bytes) -> int:
    """Return the system that an object is for (mach_header_64 of loader.h, and the commands after it), or 0."""
    count, at = struct.unpack_from("<I", image, 16)[0], 32
    for _ in range(count):
        command, size, system = struct.unpack_from("<III", image, at)
        if command == _BUILD_VERSION:
            return int(system)
        at += size
    return 0
