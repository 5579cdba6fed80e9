"""Compiles the shared library of the native engine for every platform when a wheel is built or installed.

The compiler is the clang of `ziglang`, a package that pip installs like any other and that compiles for every platform
on every platform, with the headers of each. A library depends on the sources and on the compiler, and on nothing of the
machine where it is compiled: the same bytes come out everywhere.

`python native/build_hook.py` compiles what has changed without installing anything.
"""

# No `from __future__ import annotations`: dataclasses would look annotations up in a module that hatchling does not
# register.
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = Path(__file__).resolve().parent
LIBRARIES = SOURCES.parent / "runtime" / "vibe_router" / "_native"

_FORWARD = "forward.c"
FLAGS = (
    *("-std=c11", "-O3", "-g0", "-fPIC", "-fvisibility=hidden"),
    *("-Wall", "-Wextra", "-Werror", "-Wno-psabi"),
    # A product and a sum that a compiler joins are rounded once instead of twice: other bits on other processors.
    "-ffp-contract=off",
    # A square root is one instruction, not a call.
    "-fno-math-errno",
)
# Nothing of the compiler's own libraries is needed, and it would compile them first. A symbol that nobody defines stops
# the build, not the process that loads the library.
_LINKING = ("-dynamic", "-lc", "-fno-compiler-rt", "-fno-ubsan-rt", "-z", "defs", "-fstrip", "-O", "ReleaseFast")
_WIDE = ("-mcpu=x86_64_v4", "-mavx512vnni", "-mprefer-vector-width=512")


class CompilationError(RuntimeError):
    """The compiler is missing, or refuses the sources."""


@dataclass(frozen=True)
class Forward:
    """The forward pass for one instruction set: what its function is called, and how it is compiled."""

    function: str
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Unit:
    """A source that is compiled, and the flags that it has beside those of all."""

    name: str
    source: str
    flags: tuple[str, ...]


AVX2 = Forward("forward_avx2", ("-mcpu=x86_64_v3",))
AVX_VNNI = Forward("forward_avx_vnni", ("-mcpu=x86_64_v3", "-mavxvnni"))
AVX512_VNNI = Forward("forward_avx512_vnni", _WIDE)
AMX = Forward("forward_amx", (*_WIDE, "-mamx-tile", "-mamx-int8"))
NEON = Forward("forward_neon", ("-mcpu=generic+v8_2a+dotprod",))
APPLE_NEON = Forward("forward_neon", ("-mcpu=apple_m1",))


@dataclass(frozen=True)
class Platform:
    """A system on a processor: its library's file, what the compiler calls it, and its instruction sets."""

    file: str
    target: str
    forwards: tuple[Forward, ...]


PLATFORMS = (
    # glibc 2.17, that of manylinux2014, is older than what numpy and onnxruntime ask for.
    Platform("vibe_router-linux-x86_64.so", "x86_64-linux-gnu.2.17", (AVX2, AVX_VNNI, AVX512_VNNI, AMX)),
    Platform("vibe_router-linux-arm64.so", "aarch64-linux-gnu.2.17", (NEON,)),
    Platform("vibe_router-macos-x86_64.dylib", "x86_64-macos.11.0", (AVX2, AVX_VNNI, AVX512_VNNI)),
    Platform("vibe_router-macos-arm64.dylib", "aarch64-macos.11.0", (APPLE_NEON,)),
)


class NativeLibraryHook(BuildHookInterface[BuilderConfig]):
    """Compiles before hatchling collects the files of a wheel, or of an editable install."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Compile what is stale.

        Raises:
            CompilationError: the compiler is missing, or refuses the sources.
        """
        for platform in compile_stale(LIBRARIES):
            self.app.display_info(f"compiled {platform.file}")


def compile_stale(folder: Path) -> Iterator[Platform]:
    """Compile the libraries in `folder` that the sources no longer give, and yield the platform of each.

    Raises:
        CompilationError: as `compile_library`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sources = _digest(*sorted(SOURCES.glob("*.[ch]")), Path(__file__)) + " " + compiler_version()
    with tempfile.TemporaryDirectory(prefix="vibe-router-native-") as workspace:
        for platform in PLATFORMS:
            library, record = folder / platform.file, folder / f"{platform.file}.built"
            if record.is_file() and library.is_file() and record.read_text() == f"{sources} {_digest(library)}\n":
                continue
            compile_library(platform, library, Path(workspace))
            record.write_text(f"{sources} {_digest(library)}\n")
            yield platform


def units(platform: Platform) -> Iterator[Unit]:
    """Yield what the library of a platform is linked from."""
    for path in sorted(SOURCES.glob("*.c")):
        if path.name != _FORWARD:
            yield Unit(path.stem, path.name, ())
    for forward in platform.forwards:
        yield Unit(forward.function, _FORWARD, (f"-DFORWARD={forward.function}", *forward.flags))


def compiler_version() -> str:
    """Return the compiler's version.

    Raises:
        CompilationError: it is not installed.
    """
    try:
        return version("ziglang")
    except PackageNotFoundError:
        raise CompilationError(
            f"the native library is compiled with ziglang, which {sys.executable} does not have; without build "
            "isolation, install first what [build-system] in pyproject.toml asks for"
        ) from None


def compile_library(platform: Platform, library: Path, workspace: Path) -> None:
    """Compile the sources for a platform. What the compiler leaves in `workspace` makes the next platform faster.

    Raises:
        CompilationError: the compiler is missing, or refuses the sources; the message has its words.
    """
    folder = workspace / platform.target
    folder.mkdir(parents=True)
    objects = []
    for unit in units(platform):
        objects.append(f"{unit.name}.o")
        compiled = ("-c", unit.source, "-o", str(folder / objects[-1]))
        _run_compiler(SOURCES, workspace, "cc", "-target", platform.target, *FLAGS, *unit.flags, *compiled)
    # By names alone, for the linker writes them into libraries.
    names = [f"-femit-bin={platform.file}", f"-fsoname={platform.file}", *objects]
    _run_compiler(folder, workspace, "build-lib", "-target", platform.target, *_LINKING, *names)
    # In one step, for somebody else may load the library, or compile it, at this moment.
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
