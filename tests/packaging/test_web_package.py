"""The npm package: what it holds, and that bundlers of pages find its modules, its worker and its WebAssembly."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from web.build import DIST, MODULES, build

WEB = DIST.parent
SOURCE = WEB / "src"
NPM = shutil.which("npm")
PAGE = '<!doctype html><script type="module" src="main.js"></script>'
MAIN = 'import { Router, WorkerRouter } from "vibe-router"; window.both = [Router, WorkerRouter];'


def modules_of(name: str) -> set[str]:
    """Return a module and all that it imports."""
    found, left = set(), [name]
    while left:
        found.add(left[-1])
        imported = re.findall(r'from "\./([\w.]+)"', (SOURCE / left.pop()).read_text("utf-8"))
        left += [one for one in imported if one not in found]
    return found


def test_bundlers_find_every_file_by_a_literal() -> None:
    # A bundler reads `new URL("...", import.meta.url)`; with anything else than a literal, pages ask for absent files.
    named = set()
    for path in SOURCE.glob("*.js"):
        text = path.read_text("utf-8")
        literals = re.findall(r'new URL\("\./([\w.]+)", import\.meta\.url\)', text)
        assert text.count("import.meta") == len(literals), path
        # It would also look for a module of Node, and webpack ends where it finds one.
        assert not re.search(r'import\([^)]*"node:', text), path
        named |= set(literals)
    assert named == {"worker.js", *MODULES}


def test_a_worker_starts_no_worker() -> None:
    # Vite refuses a worker whose modules name the worker again.
    assert modules_of("worker.js") == {"worker.js", "router.js", "load.js", "errors.js"}
    assert "worker_router.js" in modules_of("index.js")


def test_the_demo_keeps_every_module() -> None:
    modules = modules_of("index.js")
    preloaded = re.findall(
        r'"modulepreload" href="\.\./dist/([\w.]+)"', (WEB / "demo" / "index.html").read_text("utf-8")
    )
    assert set(preloaded) == modules
    worker = (WEB / "demo" / "service-worker.js").read_text("utf-8")
    assert set(re.findall(r'"(\w+\.(?:js|wasm))"', worker)) - {"demo.js"} == modules | set(MODULES)


@pytest.mark.slow
@pytest.mark.skipif(NPM is None, reason="npm is not installed")
def test_a_bundled_page_has_all_files_of_the_package(tmp_path: Path) -> None:
    build()
    npm = [str(NPM), "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run([*npm, "pack", str(WEB), "--pack-destination", str(tmp_path)], check=True)
    (package,) = tmp_path.glob("vibe-router-*.tgz")
    installed = subprocess.run(
        [*npm, "install", str(package), "vite@8"], cwd=tmp_path, capture_output=True, check=False
    )
    if installed.returncode:
        pytest.skip(f"npm does not install vite: {installed.stderr[-200:].decode()}")
    assert (tmp_path / "node_modules" / "vibe-router" / "README.md").is_file()
    (tmp_path / "index.html").write_text(PAGE, "utf-8")
    (tmp_path / "main.js").write_text(MAIN, "utf-8")
    subprocess.run([*npm, "exec", "--", "vite", "build"], cwd=tmp_path, check=True)
    written = {re.sub(r"-[\w-]{8}\.", ".", path.name) for path in (tmp_path / "dist" / "assets").iterdir()}
    assert written >= {"worker.js", *MODULES}
