"""The example application, frozen with PyInstaller: it routes as the library does, without Python and without torch."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.bundles import write_bundle
from vibe_router import Router
from vibe_router.bundle.bundle import bundled_folder, open_bundle
from vibe_router.engines.native.library import library_file

ROOT = Path(__file__).resolve().parents[2]
SPEC = ROOT / "examples" / "frozen_app" / "route_prompts.spec"
HOOK = ROOT / "runtime" / "vibe_router" / "_pyinstaller" / "hook-vibe_router.py"
HARD = "Design a distributed consensus algorithm"
PROMPTS = ("", "hi", "what is 2+2?", HARD, "naïve café 🙂", "word " * 600)
UNWANTED = ("torch", "transformers", "matplotlib", "scipy", "onnx", "coremltools", "huggingface_hub")


def program(folder: Path) -> Path:
    return folder / ("route-prompts.exe" if sys.platform == "win32" else "route-prompts")


def ask(folder: Path, *arguments: str, requests: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run the program with nothing of this machine's Python in reach."""
    return subprocess.run(
        [program(folder), *arguments], env={"PATH": "/nonexistent"}, input=requests, capture_output=True, check=False
    )


def answers(finished: subprocess.CompletedProcess[bytes]) -> list[dict[str, object]]:
    return [json.loads(line) for line in finished.stdout.splitlines()]


def freeze(target: Path, *options: str, installed: Path) -> Path:
    # What an editable install adds to the path of modules, a folder of PYTHONPATH cannot.
    whole = (installed / "vibe_router" / "__init__.py").is_file()
    source_tree = [] if whole else [str(ROOT / "runtime")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(installed), *source_tree])}
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level=ERROR", str(SPEC)]
    places = ["--distpath", str(target), "--workpath", str(target.with_name(target.name + "-work"))]
    frozen = subprocess.run(
        [*command, *places, "--", *options], env=environment, capture_output=True, text=True, check=False
    )
    assert frozen.returncode == 0, frozen.stderr
    return target


def install(kind: str, folder: Path) -> Path:
    """Unpack a wheel of this project, as pip would: a full one, or the one that an editable install is."""
    pytest.importorskip("PyInstaller", reason="PyInstaller is part of the test extra")
    pytest.importorskip("hatchling", reason="the build backend is part of the test extra")
    pytest.importorskip("ziglang", reason="the compiler is part of the test extra")
    folder.mkdir()
    build = f"import hatchling.build; print(hatchling.build.build_{kind}({str(folder)!r}))"
    built = subprocess.run([sys.executable, "-c", build], cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    wheel.unlink()
    return folder


@pytest.fixture(scope="module", params=["wheel", "editable"])
def frozen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frozen")
    return freeze(folder / "dist", installed=install(request.param, folder / "installed")) / "route-prompts"


def test_the_hook_takes_every_file_of_the_bundled_router() -> None:
    pytest.importorskip("PyInstaller", reason="PyInstaller is part of the test extra")
    files = runpy.run_path(str(HOOK))["bundled_files"]()
    taken = {f"{folder}/{Path(source).name}": Path(source).read_bytes() for source, folder in files}
    bundle = open_bundle()
    expected = {f"vibe_router/_bundles/nano/{name}" for name in ["router.json", *bundle.manifest.files]}
    assert set(taken) == expected
    assert taken["vibe_router/_bundles/nano/onnx/model.onnx"] == (bundled_folder() / "onnx" / "model.onnx").read_bytes()


@pytest.mark.slow
def test_it_holds_the_native_library_of_this_platform_alone(frozen: Path) -> None:
    library = library_file()
    held = {path.name: path.read_bytes() for path in (frozen / "_internal" / "vibe_router" / "_native").iterdir()}
    assert library is not None
    assert held == {library.name: library.read_bytes()}


@pytest.mark.slow
def test_it_decides_as_the_library_does(frozen: Path) -> None:
    requests = b"".join(json.dumps({"id": n, "prompt": prompt}).encode() + b"\n" for n, prompt in enumerate(PROMPTS))
    finished = ask(frozen, "--threads", "1", requests=requests)
    assert finished.returncode == 0, finished.stderr
    with Router.load(threads=1) as router:
        expected = [router.route(prompt) for prompt in PROMPTS]
    assert [(a["id"], a["target"], a["p_cloud"], a["tokens"], a["truncated"]) for a in answers(finished)] == [
        (n, d.target.value, d.p_cloud, d.tokens, d.truncated) for n, d in enumerate(expected)
    ]
    assert {decision.target.value for decision in expected} == {"device", "cloud"}


@pytest.mark.slow
def test_it_takes_prompts_as_arguments_and_goes_on_after_a_bad_request(frozen: Path) -> None:
    (answer,) = answers(ask(frozen, "hi"))
    assert answer["target"] == "device"
    finished = ask(frozen, requests=b'{"id": 1}\n\xff\n"hi"\n')
    without_prompt, no_text, routed = answers(finished)
    assert finished.returncode == 1
    assert "error" in without_prompt
    assert "error" in no_text
    assert routed["target"] == "device"


@pytest.mark.slow
def test_it_holds_no_torch_and_no_library_of_the_extras(frozen: Path) -> None:
    from PyInstaller.archive.readers import CArchiveReader

    archive = CArchiveReader(str(program(frozen)))
    modules = set(archive.open_embedded_archive("PYZ.pyz").toc)
    assert "vibe_router.router" in modules
    assert not [name for name in modules if name.split(".")[0] in (*UNWANTED, "vibe_router_export")]
    files = [path.relative_to(frozen) for path in frozen.rglob("*")]
    assert not [path for path in files if "torch" in str(path).lower()]
    assert not [path for path in files if set(path.parts) & set(UNWANTED) - {"onnx"}]


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["onnx/model.onnx", "router.json"])
def test_a_missing_file_of_the_bundle_is_told_with_its_error(frozen: Path, tmp_path: Path, missing: str) -> None:
    copy = shutil.copytree(frozen, tmp_path / "app", symlinks=True)
    (copy / "_internal" / "vibe_router" / "_bundles" / "nano" / missing).unlink()
    finished = ask(copy, "hi")
    assert finished.returncode == {"onnx/model.onnx": 4, "router.json": 3}[missing]
    assert finished.stdout == b""
    assert Path(missing).name.encode() in finished.stderr
    assert b"Traceback" not in finished.stderr


@pytest.mark.slow
def test_one_file_carries_a_bundle_of_its_own(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "mine")
    options = ("--one-file", "--bundle", str(bundle))
    folder = freeze(tmp_path / "dist", *options, installed=install("editable", tmp_path / "installed"))
    assert [path.name for path in folder.iterdir()] == [program(folder).name]
    (answer,) = answers(ask(folder, "--threads", "1", "hi"))
    with Router.load(bundle, threads=1) as router:
        assert answer["p_cloud"] == router.route("hi").p_cloud
