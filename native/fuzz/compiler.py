"""Compile the targets of libFuzzer, and the library of the Python package, under sanitizers."""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

_NATIVE = Path(__file__).resolve().parent.parent
# ALWAYS_FULL_SIZE: a team is as large as it was asked for, however busy the machine is.
_FLAGS = (
    "-std=c11",
    "-O1",
    "-g",
    "-fPIC",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-Wno-psabi",
    "-DALWAYS_FULL_SIZE=1",
)
_UNDEFINED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
_MEMORY = ("-fsanitize=memory", "-fno-sanitize-recover=all")
# Which way the code went, but not what it compared: that takes most of the time in loops over weights.
_COVERAGE, _NO_COMPARISONS = "-fsanitize=fuzzer-no-link", "-fno-sanitize-coverage=trace-cmp"
_THIRD, _FOURTH = "-march=x86-64-v3", ("-march=x86-64-v4", "-mavx512vnni", "-mprefer-vector-width=512")
_KERNELS = {
    "AVX2": (_THIRD,),
    "AVX_VNNI": (_THIRD, "-mavxvnni"),
    "AVX512_VNNI": _FOURTH,
    "AMX": (*_FOURTH, "-mamx-tile", "-mamx-int8"),
}
_ARM = {"NEON": ("-march=armv8.2-a+dotprod",)}
_SOURCES = {
    "FILE": ("file", "files", "changes", "repair"),
    "ENGINE": ("engine", "model"),
    "TEXT": ("prompts", "files"),
    "CALLS": ("prompts", "files"),
}


TARGETS = tuple(_SOURCES)


def _coverage_of(source: str) -> tuple[str, ...]:
    """Return how a source's ways are noted, by which libFuzzer keeps inputs."""
    if source in ("team", "workers", "balance"):
        # Which way threads go there is chance: it would keep hundreds of slow inputs that have teams.
        return ()
    # These read all of the weights and tables.
    return (_COVERAGE, _NO_COMPARISONS) if source in ("check", "tables") else (_COVERAGE,)


class Compiler:
    """Compiles into `folder`, and again only what has changed since.

    With `memory`, MemorySanitizer, and of the kernels AVX2's alone: it does not know what the tiles of AMX write.
    """

    def __init__(self, folder: Path, *, memory: bool = False) -> None:
        self._folder = folder
        self._sanitizers = _MEMORY if memory else _UNDEFINED
        every = _KERNELS if platform.machine().lower() in ("x86_64", "amd64") else _ARM
        self._kernels = {"AVX2": every["AVX2"]} if memory else every
        self._one = ("-DINSTRUCTIONS=AVX2",) if memory else ()
        found = (shutil.which(name) for name in (*(f"clang-{version}" for version in range(22, 13, -1)), "clang"))
        self._clang = next(filter(None, found), "clang")
        folder.mkdir(parents=True, exist_ok=True)
        self._digest = hashlib.sha256(repr((_FLAGS, self._clang)).encode())
        for path in sorted(_NATIVE.rglob("*.h")):
            self._digest.update(path.read_bytes())

    def program(self, target: str) -> Path:
        """Return a target's program.

        Raises:
            subprocess.CalledProcessError: clang refuses it.
        """
        objects = [*self._library(("text", "router", "engine"))]
        for name in _SOURCES[target]:
            objects.append(
                self._object(
                    _NATIVE / "fuzz" / f"{name}.c",
                    _COVERAGE,
                    _NO_COMPARISONS,
                    "-D_DEFAULT_SOURCE",
                    f"-DTARGET_{target}",
                )
            )
        program = self._folder / target.lower()
        sanitizers = [one.replace("=", "=fuzzer,", 1) if "recover" not in one else one for one in self._sanitizers]
        self._run(*sanitizers, *objects, "-lpthread", "-lm", "-o", program)
        return program

    def shared_library(self) -> tuple[Path, Path]:
        """Return the library of the Python package, and the runtime of the sanitizers, which is to be preloaded.

        Raises:
            subprocess.CalledProcessError: clang refuses it.
        """
        reading = [self._object(_NATIVE / "router" / f"{name}.c") for name in ("file", "model")]
        objects = [*self._library(("text", "engine", "python")), *reading]
        library = self._folder / "vibe_router.so"
        self._run(*self._sanitizers, "-shared-libasan", "-shared", *objects, "-lpthread", "-lm", "-o", library)
        asked = [self._clang, f"-print-file-name=libclang_rt.asan-{platform.machine()}.so"]
        found = subprocess.run(asked, capture_output=True, text=True, check=True)
        return library, Path(found.stdout.strip())

    def _library(self, folders: Sequence[str]) -> Iterator[Path]:
        """Yield the objects of the sources in some folders, and those of the kernels."""
        for source in (source for folder in folders for source in sorted((_NATIVE / folder).glob("*.c"))):
            yield self._object(source, *_coverage_of(source.stem))
        for instructions, flags in self._kernels.items():
            yield self._object(_NATIVE / "kernel" / "forward.c", f"-DINSTRUCTIONS={instructions}", *flags)

    def _object(self, source: Path, *flags: str) -> Path:
        if source.parent.name != "kernel":
            flags += self._one
        digest = self._digest.copy()
        digest.update(source.read_bytes() + repr((flags, self._sanitizers)).encode())
        compiled = self._folder / f"{source.stem}-{digest.hexdigest()[:16]}.o"
        if not compiled.exists():
            partial = compiled.with_suffix(".partial")
            self._run(*_FLAGS, *self._sanitizers, *flags, "-c", source, "-o", partial)
            partial.rename(compiled)
        return compiled

    def _run(self, *arguments: str | Path) -> None:
        subprocess.run([self._clang, *arguments], check=True)
