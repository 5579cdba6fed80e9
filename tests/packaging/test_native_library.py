"""The native engine's shared libraries: what is in them, and that they compute on arm64 what they compute on x86-64."""

from __future__ import annotations

import ctypes
import inspect
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.libraries import read_library
from tests.support.native import matrix_names, native_checkpoint, native_config, native_engine, needs_native_engine
from tests.support.native_image import write_image
from vibe_router.engines.native import library as native_library
from vibe_router.engines.native.library import Instructions, supported_instructions

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "native"
DRIVER = ROOT / "tests" / "support" / "native_logits.c"
FUNCTIONS = {
    *("vr_supports", "vr_check_weights", "vr_open", "vr_logits", "vr_close"),
    *("vr_file_open", "vr_file_tokenize", "vr_file_close"),
}
# What the linker itself puts into every library of a Mac; programs find their own copy, never another's.
LINKERS_OWN = {"_mh_dylib_header", "__dso_handle"}
MOST_BYTES = 400_000
# Where Debian's libc6-arm64-cross puts the C library.
ARM64_SYSTEM = Path("/usr/aarch64-linux-gnu")
PROGRAM_ADDRESS = 0x10_0000_0000


@pytest.fixture(scope="module")
def build_hook() -> ModuleType:
    pytest.importorskip("hatchling", reason="the build backend is part of the test extra")
    pytest.importorskip("ziglang", reason="the compiler is part of the test extra")
    from native import build_hook

    return build_hook


@pytest.fixture(scope="module")
def libraries(build_hook: ModuleType) -> Path:
    """The folder of the installed libraries, compiled again where the sources have changed since."""
    list(build_hook.compile_stale(build_hook.LIBRARIES))
    return build_hook.LIBRARIES


def compile_c(folder: Path, *arguments: str | Path) -> None:
    caches = {name: str(folder / "cache") for name in ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR")}
    command = [sys.executable, "-m", "ziglang", "cc", *map(str, arguments)]
    compiled = subprocess.run(command, env=os.environ | caches, capture_output=True, text=True, check=False)
    assert compiled.returncode == 0, compiled.stderr


@pytest.mark.parametrize(("name", "machine"), [("linux-x86_64", 62), ("linux-arm64", 183)])
def test_a_library_for_linux_runs_with_glibc_2_17(libraries: Path, name: str, machine: int) -> None:
    content = (libraries / f"vibe_router-{name}.so").read_bytes()
    library = read_library(content)
    assert (library.format, library.machine, library.name) == ("ELF", machine, f"vibe_router-{name}.so")
    assert library.exported == FUNCTIONS
    assert library.needed == {"libc.so.6", "libpthread.so.0"}
    assert all(version.startswith("GLIBC_") for version in library.versions)
    assert max(tuple(map(int, version[6:].split("."))) for version in library.versions) <= (2, 17)
    assert len(content) <= MOST_BYTES


@pytest.mark.parametrize(("name", "machine"), [("macos-x86_64", 0x1000007), ("macos-arm64", 0x100000C)])
def test_a_library_for_macos_runs_from_11_on_and_is_signed_for_arm64(libraries: Path, name: str, machine: int) -> None:
    content = (libraries / f"vibe_router-{name}.dylib").read_bytes()
    library = read_library(content)
    assert (library.format, library.machine) == ("Mach-O", machine)
    assert library.name.endswith(f"vibe_router-{name}.dylib")
    assert library.exported == FUNCTIONS | LINKERS_OWN
    assert library.needed == {"/usr/lib/libSystem.B.dylib"}
    assert library.oldest_system == (11, 0)
    assert library.signed == (name == "macos-arm64")
    assert len(content) <= MOST_BYTES


def test_there_is_a_library_for_every_platform_that_the_runtime_knows(
    build_hook: ModuleType, libraries: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = set()
    for system, processors in {"linux": ("x86_64", "aarch64"), "darwin": ("x86_64", "arm64")}.items():
        for processor in processors:
            monkeypatch.setattr(sys, "platform", system)
            monkeypatch.setattr("platform.machine", lambda processor=processor: processor)
            found.add(native_library.library_file())
    assert found == {libraries / one.file for one in build_hook.PLATFORMS}


def test_a_library_says_nothing_of_the_machine_that_compiled_it(libraries: Path) -> None:
    for library in libraries.glob("vibe_router-*"):
        content = library.read_bytes()
        assert str(ROOT).encode() not in content
        assert b"vibe-router-native-" not in content, "the temporary folder"


def test_only_what_changed_is_compiled(
    build_hook: ModuleType, libraries: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(libraries, tmp_path / "libraries")
    compiled = []
    monkeypatch.setattr(build_hook, "compile_library", lambda one, *_: compiled.append(one.file))
    assert list(build_hook.compile_stale(folder)) == []
    other, changed = (build_hook.PLATFORMS[index].file for index in (0, 1))
    (folder / changed).write_bytes(b"another")
    (folder / f"{other}.built").write_text("of other sources")
    assert [one.file for one in build_hook.compile_stale(folder)] == compiled == [other, changed]


def test_what_the_compiler_refuses_ends_the_build_with_its_words(
    build_hook: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = shutil.copytree(SOURCES, tmp_path / "native", ignore=shutil.ignore_patterns("__pycache__"))
    (sources / "engine" / "engine.c").write_text("#error no such thing\n")
    monkeypatch.setattr(build_hook, "SOURCES", sources)
    with pytest.raises(build_hook.CompilationError, match="no such thing"):
        list(build_hook.compile_stale(tmp_path / "libraries"))
    assert list((tmp_path / "libraries").iterdir()) == []


def test_without_the_compiler_the_build_ends_and_says_what_to_install(
    build_hook: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> str:
        raise build_hook.PackageNotFoundError(name)

    monkeypatch.setattr(build_hook, "version", missing)
    with pytest.raises(build_hook.CompilationError, match=r"ziglang.*VIBE_ROUTER_NATIVE=none"):
        list(build_hook.compile_stale(tmp_path))


def layout(structure: type[ctypes.Structure], name: str) -> Iterator[str]:
    """Yield what C must say of a structure: its size, and where each field is."""
    yield f"_Static_assert(sizeof({name}) == {ctypes.sizeof(structure)}, {name!r});"
    for field, kind, *_ in structure._fields_:
        yield f"_Static_assert(offsetof({name}, {field}) == {getattr(structure, field).offset}, {field!r});"
        yield f"_Static_assert(sizeof((({name} *)0)->{field}) == {ctypes.sizeof(kind)}, {field!r});"


@pytest.mark.parametrize("target", ["x86_64-linux-gnu", "aarch64-linux-gnu", "x86_64-macos", "aarch64-macos"])
@pytest.mark.usefixtures("build_hook")
def test_structures_are_laid_out_as_in_c(tmp_path: Path, target: str) -> None:
    structures = [
        one
        for _, one in inspect.getmembers(native_library, inspect.isclass)
        if issubclass(one, ctypes.Structure) and one.__module__ == native_library.__name__
    ]
    assert {one.__name__ for one in structures} == {"Matrix", "Norm", "Layer", "Model"}
    lines = [line for one in structures for line in layout(one, f"Vr{one.__name__}")]
    named = {native_library.Instructions: "VR_", native_library.Status: "VR_", native_library.TextStatus: "VR_TEXT_"}
    for enumeration, prefix in named.items():
        lines += [f'_Static_assert({prefix}{one.name} == {one.value}, "{one.name}");' for one in enumeration]
    source = tmp_path / "layout.c"
    source.write_text(
        '#include <stddef.h>\n#include "api.h"\n#include "../text/tables.h"\n'
        + "\n".join(lines).replace("'", '"')
        + "\n"
    )
    compile_c(
        tmp_path, "-target", target, "-std=c11", "-I", SOURCES / "engine", "-c", source, "-o", tmp_path / "layout.o"
    )


# Heads of 64 and of 32; inputs that fill panels and that do not; norms, biases, pooling and matrices of either kind.
MODELS = {
    "plain": native_config(hidden_size=128, num_attention_heads=2, intermediate_size=128),
    "uneven": native_config(
        num_attention_heads=2,
        intermediate_size=96,
        classifier_pooling="cls",
        attention_bias=True,
        mlp_bias=True,
        norm_bias=True,
        classifier_bias=True,
    ),
}
Model = tuple[Path, list[NDArray[np.int64]], list[str]]


def write_model(folder: Path, name: str) -> Model:
    """Write random weights, one matrix of them in float; return the file, prompts, and their logits' bits here."""
    checkpoint = native_checkpoint(folder / "checkpoint", **MODELS[name])
    path, random = folder / "model.safetensors", np.random.default_rng(0)
    sequences = [random.integers(0, checkpoint.config.vocabulary_size, length) for length in range(1, 71)]
    engine = native_engine(checkpoint, path, exact=matrix_names(checkpoint)[-1:])
    logits = [engine.logits([ids]) for ids in sequences]
    engine.close()
    return path, sequences, [f"{one:08x}" for one in np.concatenate(logits).view(np.uint32)]


def bits_of(*command: str | Path, threads: int, callers: int) -> list[str]:
    """Return the logits' bits that a program compiled from native_logits.c prints."""
    finished = subprocess.run(
        [*map(str, command), str(threads), str(callers)], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    return finished.stdout.split()


@pytest.mark.slow
@needs_native_engine
@pytest.mark.parametrize("name", MODELS)
def test_arm64_computes_the_same_bits(libraries: Path, tmp_path: Path, name: str) -> None:
    emulator = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
    if emulator is None or not ARM64_SYSTEM.is_dir():
        pytest.skip("needs an emulator and a C library: Debian's qemu-user-static and libc6-arm64-cross")
    model, sequences, bits = write_model(tmp_path, name)
    write_image(tmp_path / "image", model, Instructions.NEON, sequences, address=PROGRAM_ADDRESS)
    program, library = tmp_path / "logits", libraries / "vibe_router-linux-arm64.so"
    compile_c(tmp_path, "-target", "aarch64-linux-gnu.2.17", DRIVER, library, "-o", program)
    emulated = (emulator, "-cpu", "max", "-L", ARM64_SYSTEM, "-E", f"LD_LIBRARY_PATH={libraries}", program)
    assert bits_of(*emulated, tmp_path / "image", threads=2, callers=2) == bits


@pytest.mark.slow
@needs_native_engine
@pytest.mark.skipif(sys.platform != "linux" or platform.machine() != "x86_64", reason="compares on Linux, x86-64")
def test_many_callers_at_once_pass_the_sanitizers(build_hook: ModuleType, tmp_path: Path) -> None:
    # With other memory orders in engine/team.c than acquire and release, the thread sanitizer reports races.
    # Three threads on two processors: members come late, and leave early.
    flags = ("-target", "x86_64-linux-gnu", "-fsanitize=thread,undefined", "-g", "-DALWAYS_FULL_SIZE")
    objects = []
    for unit in build_hook.units(build_hook.PLATFORMS[0]):
        objects.append(tmp_path / f"{unit.name}.o")
        compile_c(
            tmp_path, *build_hook.FLAGS, *flags, "-O1", *unit.flags, "-c", SOURCES / unit.source, "-o", objects[-1]
        )
    compile_c(tmp_path, *flags, DRIVER, *objects, "-o", tmp_path / "logits")
    for name in MODELS:
        (tmp_path / name).mkdir()
        model, sequences, bits = write_model(tmp_path / name, name)
        for instructions in supported_instructions():
            write_image(tmp_path / "image", model, instructions, sequences, address=PROGRAM_ADDRESS)
            assert bits_of(tmp_path / "logits", tmp_path / "image", threads=3, callers=3) == bits, instructions.name


@pytest.mark.slow
@needs_native_engine
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the line in the README is for AVX2")
@pytest.mark.parametrize("compiler", ["ziglang", "gcc"])
@pytest.mark.usefixtures("build_hook")
def test_the_line_of_the_readme_builds_a_program_that_scores_ids(tmp_path: Path, compiler: str) -> None:
    if compiler == "gcc" and shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    (line,) = [line for line in (SOURCES / "README.md").read_text().splitlines() if line.startswith("cc ")]
    arguments = line.split()[1:]
    patterns = [argument for argument in arguments if "*" in argument]
    sources = [path for pattern in patterns for path in ROOT.glob(pattern)]
    arguments = [argument for argument in arguments if argument not in patterns]
    program = tmp_path / "score_ids"
    arguments[arguments.index("score_ids")] = str(program)
    placed = [str(ROOT / argument) if argument.endswith(".c") else argument for argument in arguments]
    if compiler == "gcc":
        subprocess.run(["gcc", "-Wall", "-Wextra", "-Werror", *map(str, sources), *placed], check=True)
    else:
        compile_c(tmp_path, "-Wall", "-Wextra", "-Werror", *sources, *placed)
    model, sequences, bits = write_model(tmp_path, "uneven")
    (tmp_path / "ids").write_text("".join(" ".join(map(str, one)) + "\n" for one in sequences))
    scored = subprocess.run([program, model, tmp_path / "ids", "2"], capture_output=True, text=True, check=True)
    logits = np.array([line.split()[0] for line in scored.stdout.splitlines()], np.float32)
    assert [f"{one:08x}" for one in logits.view(np.uint32)] == bits
