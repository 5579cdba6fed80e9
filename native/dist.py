"""The C library `libvibe_router` for every platform: archives with header, libraries, pkg-config and CMake files.

`python native/dist.py --out build/native-dist` writes one archive a platform; `--here` compiles this machine's alone.
The compiler is the one of build_hook.py, so that one machine makes all of them.
"""

from __future__ import annotations

import argparse
import gzip
import io
import os
import platform as machine
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from native import xcframework
from native.build_hook import APPLE_NEON, AVX2, AVX512_VNNI, AVX_VNNI, FLAGS, PLATFORMS, SOURCES, Platform, units

_ROOT = SOURCES.parent
_LIBRARY_SOURCES = (*sorted(SOURCES.glob("text/*.c")), *sorted(SOURCES.glob("router/*.c")))
_LINKING = ("-dynamic", "-lc", "-fno-compiler-rt", "-fno-ubsan-rt", "-fstrip", "-O", "ReleaseFast")
HEADER = SOURCES / "include" / "vibe_router.h"
_EXAMPLE = SOURCES / "examples" / "vibe_route" / "vibe_route.c"

_PKG_CONFIG = """\
prefix=${{pcfiledir}}/../..
includedir=${{prefix}}/include
libdir=${{prefix}}/lib

Name: vibe_router
Description: Decide on the device whether a chat request needs the cloud
Version: {version}
Cflags: -I${{includedir}}
Libs: -L${{libdir}} -lvibe_router
Libs.private: {needs}
"""
_CMAKE = """\
# find_package(vibe_router) gives the targets vibe_router::shared and vibe_router::static.
include(CMakeFindDependencyMacro)
find_dependency(Threads)
# A project may look for a package several times.
if(NOT TARGET vibe_router::shared)
  get_filename_component(_vibe_router "${{CMAKE_CURRENT_LIST_DIR}}/../../.." ABSOLUTE)
  add_library(vibe_router::shared SHARED IMPORTED)
  set_target_properties(vibe_router::shared PROPERTIES
    IMPORTED_LOCATION "${{_vibe_router}}/{shared}"{linked}
    INTERFACE_INCLUDE_DIRECTORIES "${{_vibe_router}}/include")
  add_library(vibe_router::static STATIC IMPORTED)
  set_target_properties(vibe_router::static PROPERTIES
    IMPORTED_LOCATION "${{_vibe_router}}/lib/{static}"
    INTERFACE_INCLUDE_DIRECTORIES "${{_vibe_router}}/include"
    INTERFACE_LINK_LIBRARIES "Threads::Threads;{math}")
  unset(_vibe_router)
endif()
"""
# Before 1.0 a minor version may change anything.
_CMAKE_VERSION = """\
set(PACKAGE_VERSION {version})
set(PACKAGE_VERSION_COMPATIBLE FALSE)
if("${{PACKAGE_FIND_VERSION_MAJOR}}.${{PACKAGE_FIND_VERSION_MINOR}}" VERSION_EQUAL {series}
   AND PACKAGE_FIND_VERSION VERSION_LESS_EQUAL PACKAGE_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
endif()
if(PACKAGE_FIND_VERSION VERSION_EQUAL PACKAGE_VERSION)
  set(PACKAGE_VERSION_EXACT TRUE)
endif()
"""


# For Windows there is the C library alone: a wheel of it would be one that nobody has run.
WINDOWS = Platform("vibe_router-windows-x86_64.dll", "x86_64-windows-gnu", "win_amd64", (AVX2, AVX_VNNI, AVX512_VNNI))
ALL = (*PLATFORMS, WINDOWS)
# Static libraries for an XCFramework, by its names of systems. Xcode links applications, with what is missing here.
IOS = {
    "ios-arm64": Platform("vibe_router-ios-arm64.a", "aarch64-ios.16.0", "", (APPLE_NEON,)),
    "ios-arm64-simulator": Platform("vibe_router-simulator-arm64.a", "aarch64-ios.16.0-simulator", "", (APPLE_NEON,)),
}
_MACOS = "macos-arm64_x86_64"


@dataclass(frozen=True)
class Built:
    """The libraries of one platform, and where the compiler's objects lie; for Windows also what else belongs to it."""

    platform: Platform
    shared: Path
    static: Path
    imports: Path | None = None
    program: Path | None = None


def name_of(platform: Platform) -> str:
    """Return system and processor, such as linux-x86_64."""
    return platform.file.removeprefix("vibe_router-").split(".")[0]


def this_platform() -> Platform:
    """Return the platform of this machine.

    Raises:
        LookupError: there is no library for it.
    """
    system = {"linux": "linux", "darwin": "macos", "win32": "windows"}.get(sys.platform)
    processor = {"amd64": "x86_64", "aarch64": "arm64"}.get(machine.machine().lower(), machine.machine().lower())
    for one in ALL:
        if name_of(one) == f"{system}-{processor}":
            return one
    raise LookupError(f"no library for {sys.platform} on {machine.machine()}")


def build(platform: Platform, folder: Path, *, flags: Sequence[str] = ()) -> Built:
    """Compile the library of a platform into `folder`, a new one.

    Raises:
        subprocess.CalledProcessError: the compiler refuses the sources.
    """
    system = (f"-I{SOURCES / 'windows'}",) if platform is WINDOWS else ()
    objects, static = _archive(platform, folder, (*system, *flags))
    if platform is WINDOWS:
        return _link_for_windows(folder, static, objects)
    shared = f"libvibe_router{Path(platform.file).suffix}"
    # Without @rpath a program on a Mac would look for the library in the folder where it is started.
    named = ("-install_name", f"@rpath/{shared}") if "macos" in platform.target else (f"-fsoname={shared}",)
    _compiler(folder, "build-lib", "-target", platform.target, *_LINKING, f"-femit-bin={shared}", *named, *objects)
    return Built(platform, folder / shared, static)


def build_for_ios(platform: Platform, folder: Path) -> Path:
    """Compile the static library of one of IOS into `folder`, a new one.

    The compiler has no headers of iOS; those of macOS declare the same of what is used here.

    Raises:
        LookupError: there is no compiler.
        subprocess.CalledProcessError: it refuses the sources.
    """
    compiler = find_spec("ziglang")
    if compiler is None or compiler.origin is None:
        raise LookupError("the compiler, ziglang, is not installed")
    headers = Path(compiler.origin).parent / "lib" / "libc" / "include" / "any-macos-any"
    return _archive(platform, folder, ("-isystem", str(headers)))[1]


def _archive(platform: Platform, folder: Path, flags: Sequence[str]) -> tuple[list[str], Path]:
    """Compile the sources into `folder`; return the objects' names, and the static library of them."""
    folder.mkdir(parents=True)
    commands, objects = [], []
    plain = [(unit.name, SOURCES / unit.source, unit.flags) for unit in units(platform)]
    for name, source, more in (*plain, *((f"{one.parent.name}-{one.stem}", one, ()) for one in _LIBRARY_SOURCES)):
        objects.append(f"{name}.o")
        options = ("-DVIBE_ROUTER_BUILD", *FLAGS, *more, *flags)
        commands.append(("cc", "-target", platform.target, *options, "-c", str(source), "-o", objects[-1]))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda command: _compiler(folder, *command), commands))
    _compiler(folder, "ar", "rcsD", "libvibe_router.a", *objects)
    return objects, folder / "libvibe_router.a"


def _link_for_windows(folder: Path, static: Path, objects: Sequence[str]) -> Built:
    """Link the library and the program, with the compiler's own routines: Windows wants the stack probed."""
    shared, imports, program = "vibe_router.dll", "vibe_router.lib", "vibe-route.exe"
    target = ("-target", WINDOWS.target)
    options = ("-shared", "-s", f"-Wl,--out-implib,{imports}")
    _compiler(folder, "cc", *target, *options, *objects, "-o", shared)
    _compiler(
        folder, "cc", *target, "-O2", "-s", f"-I{HEADER.parent}", str(_EXAMPLE), static.name, "-lshell32", "-o", program
    )
    return Built(WINDOWS, folder / shared, static, imports=folder / imports, program=folder / program)


def _compiler(folder: Path, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "ziglang", *arguments], cwd=folder, check=True)


def pack(built: Built, archive: Path, *, version: str) -> None:
    """Write the archive of one platform; the same sources give the same bytes."""
    prefix = f"vibe_router-{version}-{name_of(built.platform)}"
    windows = built.platform is WINDOWS
    # What a program must also be linked with.
    needs = "" if windows else "-lpthread -lm"
    math = "m" if "linux" in built.platform.target else ""
    place = f"bin/{built.shared.name}" if windows else f"lib/{built.shared.name}"
    series = version.rpartition(".")[0]
    names = {"version": version, "series": series, "shared": place, "static": built.static.name, "math": math}
    texts = {
        "lib/pkgconfig/vibe_router.pc": _PKG_CONFIG.format(**names, needs=needs),
        "lib/cmake/vibe_router/vibe_router-config.cmake": _CMAKE.format(**names, linked=_more_for_cmake(built)),
        "lib/cmake/vibe_router/vibe_router-config-version.cmake": _CMAKE_VERSION.format(**names),
    }
    files = {
        "include/vibe_router.h": HEADER.read_bytes(),
        place: built.shared.read_bytes(),
        f"lib/{built.static.name}": built.static.read_bytes(),
        "share/vibe_router/vibe_route.c": _EXAMPLE.read_bytes(),
        "LICENSE": (_ROOT / "LICENSE").read_bytes(),
        **{name: text.encode() for name, text in texts.items()},
    }
    if built.imports and built.program:
        files[f"lib/{built.imports.name}"] = built.imports.read_bytes()
        files[f"bin/{built.program.name}"] = built.program.read_bytes()
    archive.parent.mkdir(parents=True, exist_ok=True)
    with gzip.GzipFile(archive, "wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in sorted(files.items()):
            _add(tar, f"{prefix}/{name}", content)


def _more_for_cmake(built: Built) -> str:
    """Return what CMake must know of a shared library besides its place."""
    if built.imports:
        imports = f'IMPORTED_IMPLIB "${{_vibe_router}}/lib/{built.imports.name}"'
        return f"\n    {imports}\n    INTERFACE_COMPILE_DEFINITIONS VIBE_ROUTER_SHARED"
    if "macos" in built.platform.target:
        return f'\n    IMPORTED_SONAME "@rpath/{built.shared.name}"'
    return ""


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    about = tarfile.TarInfo(name)
    about.size, about.mode = len(content), 0o644
    tar.addfile(about, io.BytesIO(content))


def _version() -> str:
    namespace: dict[str, str] = {}
    exec((_ROOT / "runtime" / "vibe_router" / "version.py").read_text(encoding="utf-8"), namespace)
    return namespace["__version__"]


def main() -> None:
    """Compile and pack."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=_ROOT / "build" / "native-dist")
    parser.add_argument("--here", action="store_true", help="this machine's platform alone, its libraries unpacked too")
    options = parser.parse_args()
    version = _version()
    apple: dict[str, dict[str, Path]] = {_MACOS: {}}
    with tempfile.TemporaryDirectory(prefix="vibe-router-dist-") as workspace:
        for platform in (this_platform(),) if options.here else ALL:
            built = build(platform, Path(workspace) / name_of(platform))
            archive = options.out / f"vibe_router-{version}-{name_of(platform)}.tar.gz"
            pack(built, archive, version=version)
            sys.stdout.write(f"{archive} {archive.stat().st_size} bytes\n")
            if name_of(platform).startswith("macos-"):
                apple[_MACOS][name_of(platform).removeprefix("macos-")] = built.static
            if options.here:
                with tarfile.open(archive) as tar:
                    # An early 3.10 or 3.11, such as Debian 12's, has no filters.
                    tar.extraction_filter = getattr(tarfile, "data_filter", None)
                    tar.extractall(options.out)
        if not options.here:
            for name, platform in IOS.items():
                apple[name] = {"arm64": build_for_ios(platform, Path(workspace) / name)}
            framework = xcframework.write(Path(workspace), apple, HEADER, _ROOT / "LICENSE")
            xcframework.pack(framework, options.out / f"{framework.name}.zip")
            sys.stdout.write(f"{options.out / framework.name}.zip\n")


if __name__ == "__main__":
    main()
