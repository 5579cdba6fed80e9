"""An archive of the C library is used as its reader uses it: by its names, by pkg-config and by CMake."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from native.dist import HEADER, SOURCES, build, pack, this_platform
from tests.support.native import needs_native_engine

pytestmark = [pytest.mark.slow, needs_native_engine]
NANO = Path(__file__).resolve().parents[2] / "artifacts" / "nano"
PROGRAM = SOURCES / "examples" / "vibe_route" / "vibe_route.c"
PROJECT = """\
cmake_minimum_required(VERSION 3.16)
project(app C)
find_package(vibe_router {version} REQUIRED)
find_package(vibe_router REQUIRED)
foreach(kind shared static)
  add_executable(${{kind}} {program})
  target_link_libraries(${{kind}} PRIVATE vibe_router::${{kind}})
endforeach()
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unpacked archive of this machine's platform, version 1.2.3."""
    folder = tmp_path_factory.mktemp("archive")
    pack(build(this_platform(), folder / "library"), folder / "archive.tar.gz", version="1.2.3")
    with tarfile.open(folder / "archive.tar.gz") as packed:
        packed.extraction_filter = getattr(tarfile, "data_filter", None)
        packed.extractall(folder)
    (unpacked,) = folder.glob("vibe_router-1.2.3-*")
    return unpacked


def need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program} here")


def run(command: Sequence[str | Path], variables: Mapping[str, str] | None = None) -> str:
    ran = subprocess.run([*map(str, command)], env=variables, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def names(library: Path, *flags: str) -> set[str]:
    listed = run(["nm", *flags, "--defined-only", library])
    # Symbols of a Mac begin with an underscore; those that still have one are the linker's own.
    found = re.findall(r"^[0-9a-f]+ [A-Z] _?(\w+)$", listed, re.MULTILINE)
    return {name for name in found if not name.startswith("_")}


def test_a_library_has_no_name_that_a_program_could_have(archive: Path) -> None:
    need("nm")
    (shared,) = (path for path in (archive / "lib").iterdir() if path.suffix in {".so", ".dylib"})
    declared = set(re.findall(r"VIBE_ROUTER_API [\w ]+?\*?(vibe_router_\w+)\(", HEADER.read_text("utf-8")))
    assert names(shared, "--extern-only", *(["--dynamic"] if shared.suffix == ".so" else [])) == declared
    static = names(archive / "lib" / "libvibe_router.a", "--extern-only")
    assert declared < static
    assert {name for name in static if not name.startswith(("vr_", "vibe_router_"))} == set()


def test_pkg_config_builds_a_program(archive: Path, tmp_path: Path) -> None:
    need("pkg-config", "cc")
    variables = {"PATH": "/usr/bin:/bin", "PKG_CONFIG_PATH": str(archive / "lib" / "pkgconfig")}
    flags = run(["pkg-config", "--cflags", "--libs", "vibe_router"], variables).split()
    run(["cc", PROGRAM, *flags, f"-Wl,-rpath,{archive / 'lib'}", "-o", tmp_path / "program"])
    assert "as it should be" in run([tmp_path / "program", NANO])


@pytest.mark.parametrize(("version", "found"), [("1.2", True), ("1.2.3", True), ("1.2.4", False), ("1.1", False)])
def test_cmake_finds_the_versions_that_are_like_it(archive: Path, tmp_path: Path, version: str, found: bool) -> None:
    need("cmake", "cc")
    (tmp_path / "CMakeLists.txt").write_text(PROJECT.format(version=version, program=PROGRAM), "utf-8")
    configure = ["cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={archive}"]
    if not found:
        ran = subprocess.run([*map(str, configure)], capture_output=True, text=True, check=False)
        assert ran.returncode
        assert f'compatible with requested version "{version}"' in " ".join(ran.stderr.split())
        return
    run(configure)
    run(["cmake", "--build", tmp_path / "build"])
    for kind in ("shared", "static"):
        assert "as it should be" in run([tmp_path / "build" / kind, NANO])
