from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from native.build_hook import COMPILER

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomllib", reason="reads TOML with Python 3.11's library")

ROOT = Path(__file__).resolve().parents[2]
BOUNDS = (">=", "==")
# A version with known holes: where the database does not tell of them, it was not reached.
CANARY = "onnx==1.16.0"
# What is known and does not reach this project; SECURITY.md says why.
ACCEPTED = {
    "CVE-2026-4372",  # transformers < 5.3: checkpoints whose JSON names code are refused before it reads them
    "CVE-2026-1839",  # transformers < 5: the trainer resumes from its own snapshots only
}


def requirements() -> Iterator[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for text in [*project["dependencies"], *chain.from_iterable(project["optional-dependencies"].values())]:
        requirement = Requirement(text)
        if requirement.name != project["name"]:
            yield requirement


def constraints() -> Iterator[Requirement]:
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            yield Requirement(line)


def lower_bounds() -> Iterator[str]:
    for requirement in requirements():
        for specifier in requirement.specifier:
            if specifier.operator in BOUNDS:
                yield f"{requirement.name}=={specifier.version}"


def test_every_dependency_has_a_lower_bound() -> None:
    unbounded = [str(one) for one in requirements() if not any(part.operator in BOUNDS for part in one.specifier)]
    assert unbounded == []


def test_tests_compile_with_the_compiler_of_a_build() -> None:
    pinned = Requirement(COMPILER)
    assert [part.operator for part in pinned.specifier] == ["=="]
    assert pinned in set(requirements())


def test_the_constraints_are_among_what_the_project_allows() -> None:
    pinned = {one.name: next(iter(one.specifier)).version for one in constraints()}
    asked = {one.name: one for one in requirements()}
    assert {"onnx", "onnxruntime", "tokenizers", "torch", "transformers"} <= set(pinned)
    for name, version in pinned.items():
        assert name in asked, f"{name} is pinned and not a dependency"
        assert all(version in one.specifier for one in requirements() if one.name == name), (name, version)


def test_onnx_contains_the_fixes_of_external_data() -> None:
    assert all("1.20.1" not in one.specifier for one in requirements() if one.name == "onnx")


def test_typer_is_one_that_prints_its_help_with_every_click() -> None:
    """0.15.0 to 0.15.3 take click 8.2 and newer, and then end every `--help` in a TypeError."""
    assert not any(one.specifier.contains("0.15.3") for one in requirements() if one.name == "typer")


def audit(lines: list[str], folder: Path) -> dict[str, list[str]]:
    """Return the identifiers of known vulnerabilities by package; skip where the database cannot be reached."""
    file = folder / "requirements.txt"
    file.write_text("\n".join(sorted({*lines})) + "\n")
    command = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--format", "json", "-r", file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        pytest.skip(f"pip-audit cannot reach its database: {done.stderr.strip().splitlines()[-1:]}")
    if any("skip_reason" in one and "not found" in one["skip_reason"] for one in found):
        pytest.skip("pip-audit cannot reach its database")
    return {
        f"{one['name']} {one['version']}": names
        for one in found
        if (names := [hole["id"] for hole in one["vulns"] if not ACCEPTED & {hole["id"], *hole["aliases"]}])
    }


@pytest.mark.slow
@pytest.mark.skipif(find_spec("pip_audit") is None, reason="pip-audit is not installed")
def test_neither_lower_bounds_nor_tested_versions_have_known_vulnerabilities(tmp_path: Path) -> None:
    if not audit([CANARY], tmp_path):
        pytest.skip("pip-audit does not know what is known")
    assert audit(list(lower_bounds()), tmp_path) == {}
    assert audit([f"{one.name}{one.specifier}" for one in constraints()], tmp_path) == {}
