"""The distributions: what the wheels hold, and that they route in an environment where nothing else is installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from packaging.tags import Tag

from native.build_hook import (
    COMPILER,
    LIBRARIES,
    PLATFORMS,
    VARIABLE,
    CompilationError,
    Platform,
    chosen_platform,
    compile_stale,
)
from vibe_router.engines.native.library import native_problem

ROOT = Path(__file__).resolve().parents[2]
MAX_WHEEL_BYTES = 12_000_000


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=clean | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def build_wheel(project: Path, folder: Path, native: str) -> Path:
    """Build the wheel of a platform as a build front end does, and return it."""
    before = set(folder.glob("*.whl"))
    built = run(
        sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=project, **{VARIABLE: native}
    )
    assert built.returncode == 0, built.stderr + built.stdout
    (wheel,) = set(folder.glob("*.whl")) - before
    return wheel


def libraries_of(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {Path(name).name: archive.read(name) for name in archive.namelist() if "vibe_router/_native/" in name}


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """The source distribution, and built from it the wheel of this platform and the one without a library."""
    pytest.importorskip("ziglang", reason="the compiler is part of the test extra")
    if chosen_platform() is None:
        pytest.skip("there is no native library for this platform")
    folder = tmp_path_factory.mktemp("dist")
    built = run(sys.executable, "-m", "build", "--no-isolation", "--sdist", "--outdir", folder, ROOT, cwd=folder)
    assert built.returncode == 0, built.stderr + built.stdout
    (source,) = folder.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)
    (project,) = (path for path in folder.iterdir() if path.is_dir())
    return source, build_wheel(project, folder, ""), build_wheel(project, folder, "none")


@pytest.mark.parametrize(("native", "asked"), [("none", []), ("linux-arm64", [COMPILER])])
def test_a_build_asks_for_the_compiler_only_where_it_compiles(native: str, asked: list[str]) -> None:
    call = "import json, hatchling.build as b; print(json.dumps(b.get_requires_for_build_wheel()))"
    answer = run(sys.executable, "-c", call, cwd=ROOT, **{VARIABLE: native})
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout) == asked


def test_a_platform_that_nobody_knows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "windows-x86_64")
    with pytest.raises(CompilationError, match="linux-x86_64, linux-arm64, macos-x86_64, macos-arm64, or none"):
        chosen_platform()


@pytest.mark.parametrize(("supported", "chosen"), [("manylinux_2_17_aarch64", "linux-arm64"), ("win_amd64", None)])
def test_the_platform_is_what_this_python_can_install(
    monkeypatch: pytest.MonkeyPatch, supported: str, chosen: str | None
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(
        "native.build_hook.sys_tags", lambda: [Tag("py3", "none", supported), Tag("py3", "none", "any")]
    )
    platform = chosen_platform()
    assert (platform and platform.name) == chosen


@pytest.mark.slow
def test_wheels_hold_the_packages_and_the_bundle_and_stay_small(distributions: tuple[Path, Path, Path]) -> None:
    for wheel in distributions[1:]:
        with zipfile.ZipFile(wheel) as archive:
            names = set(archive.namelist())
        assert {"vibe_router/router.py", "vibe_router_export/modernbert.py", "vibe_router/py.typed"} <= names
        assert "vibe_router/_bundles/nano/router.json" in names
        assert not any(name.startswith(("tests/", "benchmarks/", "artifacts/", "native/")) for name in names)
        assert wheel.stat().st_size <= MAX_WHEEL_BYTES


@pytest.mark.slow
def test_a_wheel_holds_the_library_that_a_build_elsewhere_gives(distributions: tuple[Path, Path, Path]) -> None:
    _, wheel, pure = distributions
    own = chosen_platform()
    assert own is not None
    list(compile_stale(LIBRARIES, (own,)))
    # The wheel was built from the source distribution, in a temporary folder; this was compiled in the source tree.
    assert libraries_of(wheel) == {own.file: (LIBRARIES / own.file).read_bytes()}
    assert wheel.name.endswith(f"-py3-none-{own.tag}.whl")
    assert libraries_of(pure) == {}
    assert pure.name.endswith("-py3-none-any.whl")


@pytest.mark.slow
@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda one: one.name)
def test_every_platform_has_its_own_wheel(platform: Platform, tmp_path: Path) -> None:
    pytest.importorskip("ziglang", reason="the compiler is part of the test extra")
    wheel = build_wheel(ROOT, tmp_path, platform.name)
    assert wheel.name.endswith(f"-py3-none-{platform.tag}.whl")
    assert set(libraries_of(wheel)) == {platform.file}
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (archive.read(name).decode() for name in archive.namelist() if name.endswith("/WHEEL"))
    assert f"Root-Is-Purelib: false\nTag: py3-none-{platform.tag}\n" in metadata


@pytest.mark.slow
def test_the_source_distribution_can_be_built_from(distributions: tuple[Path, Path, Path]) -> None:
    source, _, _ = distributions
    with tarfile.open(source) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {"pyproject.toml", "README.md", "LICENSE", "artifacts/nano/router.json"} <= names
    assert {"native/build_hook.py", *(f"native/{path.name}" for path in (ROOT / "native").glob("*.[ch]"))} <= names
    assert not any("_native/" in name for name in names)


@pytest.mark.slow
def test_the_wheels_route_in_an_empty_environment(distributions: tuple[Path, Path, Path], tmp_path: Path) -> None:
    _, wheel, pure = distributions
    assert run(sys.executable, "-m", "venv", tmp_path / "env", cwd=tmp_path).returncode == 0
    bin_folder = tmp_path / "env" / "bin"
    pip = (bin_folder / "pip", "install", "--disable-pip-version-check", "--quiet")
    installed = run(*pip, pure, cwd=tmp_path)
    if installed.returncode != 0 and "No matching distribution" in installed.stderr:
        pytest.skip("the runtime's dependencies cannot be downloaded here")
    assert installed.returncode == 0, installed.stderr
    assert_routes(bin_folder, "onnx-cpu")

    # Of both wheels, pip takes the one of the platform.
    found = ("--no-index", "--no-deps", "--force-reinstall", "--find-links", wheel.parent, "vibe-router")
    installed = run(*pip, *found, cwd=tmp_path)
    assert installed.returncode == 0, installed.stderr
    assert_routes(bin_folder, "native-cpu" if native_problem() is None else "onnx-cpu")

    for module in ("torch", "transformers", "onnx", "safetensors"):
        assert run(bin_folder / "python", "-c", f"import {module}", cwd=tmp_path).returncode != 0
    for command, extra in (("router-export", "export"), ("router-train", "train")):
        fit = ["fit", "--data", "data.jsonl", "--out", "x"]
        arguments = {"router-export": ["inspect", "."], "router-train": fit}[command]
        refused = run(bin_folder / command, *arguments, cwd=tmp_path)
        assert refused.returncode == 2, refused.stderr
        assert f"pip install '.[{extra}]'" in refused.stderr
        assert "Traceback" not in refused.stderr


def assert_routes(bin_folder: Path, engine: str) -> None:
    routed = run(bin_folder / "vibe-router", "route", "--json", "hi", cwd=bin_folder)
    assert routed.returncode == 0, routed.stderr
    decision = json.loads(routed.stdout)
    assert (decision["target"], decision["engine"]) == ("device", engine)
    verified = run(bin_folder / "vibe-router", "verify", cwd=bin_folder)
    assert verified.returncode == 0, verified.stderr
