"""The Swift package: the same instruction sets as Python's library, and its own tests where there is a toolchain."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from native.build_hook import PLATFORMS, SOURCES
from swift.make_words import WORDS, source

ROOT = SOURCES.parent
CLANG, SWIFT = shutil.which("clang"), shutil.which("swift")


def test_every_instruction_set_of_the_library_has_a_source() -> None:
    found = {
        name
        for path in (SOURCES / "swiftpm").glob("*.c")
        for name in re.findall(r"#define INSTRUCTIONS (\w+)", path.read_text("utf-8"))
    }
    assert found == {kernel.instructions for platform in PLATFORMS for kernel in platform.kernels}


def test_what_the_manifest_names_exists() -> None:
    manifest = (ROOT / "Package.swift").read_text("utf-8")
    paths = re.findall(r'"((?:swift|artifacts|text)/[\w./]+)"', manifest)
    assert len(paths) > 10
    for path in paths:
        assert (ROOT / path).exists() or (SOURCES / path).exists(), path


def test_words_that_turns_lean_with_are_those_of_python() -> None:
    assert WORDS.read_text("utf-8") == source()


def test_what_the_package_offers_is_described() -> None:
    # The others are described by their protocols.
    offered = re.compile(r"^ *public (?!extension|init\(from decoder|func encode\(to encoder|var errorDescription)")
    missing, described = [], 0
    for path in sorted((ROOT / "swift" / "Sources").rglob("*.swift")):
        before = ""
        for line in path.read_text("utf-8").splitlines():
            if offered.match(line):
                described += before.startswith("///")
                missing += [] if before.startswith("///") else [f"{path.name}: {line.strip()}"]
            before = line.strip()
    assert described > 50
    assert missing == []


@pytest.mark.slow
@pytest.mark.skipif(CLANG is None, reason="there is no clang here")
@pytest.mark.parametrize("source", ["avx2.c", "avx_vnni.c", "avx512_vnni.c", "neon.c"])
def test_a_compiler_that_has_no_flags_takes_the_sources(source: str, tmp_path: Path) -> None:
    command = [CLANG, "-std=c11", "-Wall", "-Wextra", "-Werror", "-c", SOURCES / "swiftpm" / source]
    subprocess.run([*map(str, command), "-o", str(tmp_path / "kernel.o")], check=True)


@pytest.mark.slow
@pytest.mark.skipif(SWIFT is None, reason="there is no Swift toolchain here")
def test_the_package_passes_its_tests() -> None:
    ran = subprocess.run(["make", "test-swift"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Executed" in ran.stdout + ran.stderr
