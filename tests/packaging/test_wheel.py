"""The distribution: what the wheel holds, and that it routes in an environment where nothing else is installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

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


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    pytest.importorskip("hatchling", reason="the build backend is part of the test extra")
    pytest.importorskip("ziglang", reason="the compiler is part of the test extra")
    folder = tmp_path_factory.mktemp("dist")
    built = run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    assert built.returncode == 0, built.stderr + built.stdout
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, source


@pytest.mark.slow
def test_the_wheel_holds_the_packages_and_the_bundle_and_stays_small(distributions: tuple[Path, Path]) -> None:
    wheel, _ = distributions
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {"vibe_router/router.py", "vibe_router_export/modernbert.py", "vibe_router/py.typed"} <= names
    assert "vibe_router/_bundles/nano/router.json" in names
    assert not any(name.startswith(("tests/", "benchmarks/", "artifacts/", "native/")) for name in names)
    assert not any(name.endswith(".built") for name in names)
    assert wheel.stat().st_size <= MAX_WHEEL_BYTES


@pytest.mark.slow
def test_one_wheel_for_all_platforms_holds_the_libraries_that_a_build_elsewhere_gives(
    distributions: tuple[Path, Path],
) -> None:
    from native.build_hook import LIBRARIES, PLATFORMS, compile_stale

    wheel, _ = distributions
    assert wheel.name.endswith("-py3-none-any.whl")
    list(compile_stale(LIBRARIES))
    with zipfile.ZipFile(wheel) as archive:
        held = {name: archive.read(name) for name in archive.namelist() if name.startswith("vibe_router/_native/")}
    # The wheel was built from the source distribution, in a temporary folder; these were compiled in the source tree.
    assert held == {f"vibe_router/_native/{one.file}": (LIBRARIES / one.file).read_bytes() for one in PLATFORMS}


@pytest.mark.slow
def test_the_source_distribution_can_be_built_from(distributions: tuple[Path, Path]) -> None:
    _, source = distributions
    with tarfile.open(source) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {"pyproject.toml", "README.md", "LICENSE", "artifacts/nano/router.json"} <= names
    assert {"native/build_hook.py", *(f"native/{path.name}" for path in (ROOT / "native").glob("*.[ch]"))} <= names
    assert not any("_native/" in name for name in names)


@pytest.mark.slow
def test_the_wheel_routes_in_an_empty_environment(distributions: tuple[Path, Path], tmp_path: Path) -> None:
    wheel, _ = distributions
    assert run(sys.executable, "-m", "venv", tmp_path / "env", cwd=tmp_path).returncode == 0
    bin_folder = tmp_path / "env" / "bin"
    installed = run(bin_folder / "pip", "install", "--disable-pip-version-check", "--quiet", wheel, cwd=tmp_path)
    if installed.returncode != 0 and "No matching distribution" in installed.stderr:
        pytest.skip("the runtime's dependencies cannot be downloaded here")
    assert installed.returncode == 0, installed.stderr

    routed = run(bin_folder / "vibe-router", "route", "--json", "hi", cwd=tmp_path)
    assert routed.returncode == 0, routed.stderr
    assert json.loads(routed.stdout)["target"] == "device"
    verified = run(bin_folder / "vibe-router", "verify", cwd=tmp_path)
    assert verified.returncode == 0, verified.stderr

    for module in ("torch", "transformers", "onnx", "safetensors"):
        assert run(bin_folder / "python", "-c", f"import {module}", cwd=tmp_path).returncode != 0
    for command, extra in (("router-export", "export"), ("router-train", "train")):
        fit = ["fit", "--data", "data.jsonl", "--out", "x"]
        arguments = {"router-export": ["inspect", "."], "router-train": fit}[command]
        refused = run(bin_folder / command, *arguments, cwd=tmp_path)
        assert refused.returncode == 2, refused.stderr
        assert f"pip install '.[{extra}]'" in refused.stderr
        assert "Traceback" not in refused.stderr
