"""Compile the shared library of the native engine when a wheel is built or installed, for the platform of the wheel.

The environment variable VIBE_ROUTER_NATIVE chooses the platform: `linux-x86_64`, `linux-arm64`, `macos-x86_64` or
`macos-arm64`; `none` is a wheel for all platforms, without a library and built without a compiler. Without the variable
it is the platform that builds, or none where there is no library for it.

The compiler is the clang of `ziglang`, a package that pip installs like any other and that compiles for every platform
on every platform, with the headers of each. A library depends on the sources and on the compiler alone, not on the
machine where it is compiled: it has the same bytes everywhere.

`python native/build_hook.py` compiles what has changed for all platforms, without installing anything.
"""

# No `from __future__ import annotations`: dataclasses would look annotations up in a module that hatchling does not
# register.
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import sys_tags

SOURCES = Path(__file__).resolve().parent
LIBRARIES = SOURCES.parent / "runtime" / "vibe_router" / "_native"
VARIABLE = "VIBE_ROUTER_NATIVE"
# One version, so that the same sources give the same bytes.
COMPILER = "ziglang==0.15.2"

_ENGINE = ("engine/*.[ch]", "kernel/*.[ch]")
# Besides the engine, a library of the Python package reads a router's file and makes ids of prompts.
_READING = ("python/*.[ch]", "router/file.[ch]", "router/model.c", "text/*.[ch]")
# Compiled once for each instruction set; all other sources are compiled once.
_KERNEL = "kernel/forward.c"
FLAGS = (
    *("-std=c11", "-O3", "-g0", "-fPIC", "-fvisibility=hidden"),
    *("-Wall", "-Wextra", "-Werror", "-Wno-psabi"),
    # If the compiler fused a product and a sum, they would be rounded once instead of twice: other bits.
    "-ffp-contract=off",
    # A square root is one instruction, not a call.
    "-fno-math-errno",
)
# The compiler's own libraries are not needed, and it would compile them first. A symbol without a definition stops the
# build, not the process that loads the library.
_LINKING = ("-dynamic", "-lc", "-fno-compiler-rt", "-fno-ubsan-rt", "-z", "defs", "-fstrip", "-O", "ReleaseFast")
_WIDE = ("-mcpu=x86_64_v4", "-mavx512vnni", "-mprefer-vector-width=512")


class CompilationError(RuntimeError):
    """The compiler is missing, or refuses the sources."""


@dataclass(frozen=True)
class Kernel:
    """An instruction set, as `native/kernel/instructions.h` names it, and the flags that enable it."""

    instructions: str
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Unit:
    """A source to compile, the name of its object, and its flags in addition to FLAGS."""

    name: str
    source: str
    flags: tuple[str, ...]


AVX2 = Kernel("AVX2", ("-mcpu=x86_64_v3",))
AVX_VNNI = Kernel("AVX_VNNI", ("-mcpu=x86_64_v3", "-mavxvnni"))
AVX512_VNNI = Kernel("AVX512_VNNI", _WIDE)
AMX = Kernel("AMX", (*_WIDE, "-mamx-tile", "-mamx-int8"))
NEON = Kernel("NEON", ("-mcpu=generic+v8_2a+dotprod",))
APPLE_NEON = Kernel("NEON", ("-mcpu=apple_m1",))


@dataclass(frozen=True)
class Platform:
    """A system on a processor: its library's file, its names for compiler and wheel, and its instruction sets."""

    file: str
    target: str
    tag: str
    kernels: tuple[Kernel, ...]

    @property
    def name(self) -> str:
        """The value of VIBE_ROUTER_NATIVE that chooses this platform."""
        return Path(self.file).stem.removeprefix("vibe_router-")


_X86 = (AVX2, AVX_VNNI, AVX512_VNNI)
PLATFORMS = (
    # glibc 2.17, that of manylinux2014, is older than what numpy and onnxruntime ask for.
    Platform("vibe_router-linux-x86_64.so", "x86_64-linux-gnu.2.17", "manylinux_2_17_x86_64", (*_X86, AMX)),
    Platform("vibe_router-linux-arm64.so", "aarch64-linux-gnu.2.17", "manylinux_2_17_aarch64", (NEON,)),
    Platform("vibe_router-macos-x86_64.dylib", "x86_64-macos.11.0", "macosx_11_0_x86_64", _X86),
    Platform("vibe_router-macos-arm64.dylib", "aarch64-macos.11.0", "macosx_11_0_arm64", (APPLE_NEON,)),
)


class NativeLibraryHook(BuildHookInterface[BuilderConfig]):
    """Compiles before hatchling collects the files of a wheel, or of an editable install."""

    def dependencies(self) -> list[str]:
        """Return the compiler, unless nothing is compiled."""
        return [] if chosen_platform() is None else [COMPILER]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the library of the wheel if it is stale, and name the wheel after its platform.

        Raises:
            CompilationError: the compiler is missing, or refuses the sources.
        """
        platform = chosen_platform()
        if platform is None:
            return
        for built in compile_stale(LIBRARIES, (platform,)):
            self.app.display_info(f"compiled {built.file}")
        if version != "editable":
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{platform.tag}"
            build_data["artifacts"].append(f"/runtime/vibe_router/_native/{platform.file}")


def chosen_platform() -> Platform | None:
    """Return the platform of the wheel; None for a wheel without a library.

    Raises:
        CompilationError: the environment variable names no platform.
    """
    name = os.environ.get(VARIABLE, "")
    if name == "none":
        return None
    if not name:
        supported = {tag.platform for tag in sys_tags()}
        return next((one for one in PLATFORMS if one.tag in supported), None)
    for one in PLATFORMS:
        if one.name == name:
            return one
    raise CompilationError(f"{VARIABLE}={name}: use {', '.join(one.name for one in PLATFORMS)}, or none")


def compile_stale(folder: Path, platforms: Sequence[Platform] = PLATFORMS) -> Iterator[Platform]:
    """Compile the libraries in `folder` that are older than the sources or the compiler, and yield their platforms.

    Raises:
        CompilationError: as `compile_library`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sources = _digest(*source_files(), Path(__file__)) + " " + compiler_version()
    with tempfile.TemporaryDirectory(prefix="vibe-router-native-") as workspace:
        for platform in platforms:
            library, record = folder / platform.file, folder / f"{platform.file}.built"
            if record.is_file() and library.is_file() and record.read_text() == f"{sources} {_digest(library)}\n":
                continue
            compile_library(platform, library, Path(workspace))
            record.write_text(f"{sources} {_digest(library)}\n")
            yield platform


def source_files(patterns: Sequence[str] = (*_ENGINE, *_READING)) -> list[Path]:
    """Return the sources and headers that a library is compiled from."""
    return sorted(path for pattern in patterns for path in SOURCES.glob(pattern))


def reading_units() -> Iterator[Unit]:
    """Yield what a library of the Python package is linked from besides the engine."""
    yield from _once(_READING)


def units(platform: Platform) -> Iterator[Unit]:
    """Yield what the engine of a platform is linked from."""
    yield from _once(_ENGINE)
    for kernel in platform.kernels:
        flags = (f"-DINSTRUCTIONS={kernel.instructions}", *kernel.flags)
        yield Unit(f"kernel-{kernel.instructions}", _KERNEL, flags)


def _once(patterns: Sequence[str]) -> Iterator[Unit]:
    for path in source_files(patterns):
        name = path.relative_to(SOURCES).as_posix()
        if path.suffix == ".c" and name != _KERNEL:
            yield Unit(name.removesuffix(".c").replace("/", "-"), name, ())


def compiler_version() -> str:
    """Return the compiler's version.

    Raises:
        CompilationError: it is not installed.
    """
    try:
        return version("ziglang")
    except PackageNotFoundError:
        raise CompilationError(
            f"the native library is compiled with {COMPILER}, which {sys.executable} does not have; without build "
            f"isolation, install it first, or build with {VARIABLE}=none"
        ) from None


def compile_library(platform: Platform, library: Path, workspace: Path) -> None:
    """Compile the sources for a platform. A cache in `workspace` makes the next platform faster.

    Raises:
        CompilationError: the compiler is missing, or refuses the sources; the message quotes it.
    """
    folder = workspace / platform.target
    folder.mkdir(parents=True)
    objects = []
    for unit in (*units(platform), *reading_units()):
        objects.append(f"{unit.name}.o")
        compiled = ("-c", unit.source, "-o", str(folder / objects[-1]))
        _run_compiler(SOURCES, workspace, "cc", "-target", platform.target, *FLAGS, *unit.flags, *compiled)
    # Names without folders, because the linker writes them into the library.
    names = [f"-femit-bin={platform.file}", f"-fsoname={platform.file}", *objects]
    _run_compiler(folder, workspace, "build-lib", "-target", platform.target, *_LINKING, *names)
    # In one step, because another process may load the library, or compile it, at this moment.
    written = library.with_name(f".{library.name}.{os.getpid()}")
    shutil.copyfile(folder / platform.file, written)
    written.replace(library)


def _run_compiler(folder: Path, workspace: Path, *arguments: str) -> None:
    caches = {name: str(workspace / "cache") for name in ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR")}
    command = [sys.executable, "-m", "ziglang", *arguments]
    finished = subprocess.run(command, cwd=folder, env=os.environ | caches, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise CompilationError(f"{' '.join(command)}\nended with {finished.returncode}:\n{finished.stderr}")


def _digest(*paths: Path) -> str:
    digest = hashlib.sha256()
    for path in paths:
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


if __name__ == "__main__":
    for built in compile_stale(LIBRARIES):
        sys.stdout.write(f"compiled {built.file}\n")
