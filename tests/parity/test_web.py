"""The router in WebAssembly decides as the runtime does: web/test, run by Node and by Chromium over bundles."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from benchmarks.conformance.expected import golden_prompts, spread, write_expected
from tests.support.browser import browser_or_skip
from tests.support.native import native_checkpoint, needs_native_engine
from tests.support.node import node_with_relaxed_simd
from tests.support.prompts import mixed_prompts
from tests.support.shared_data import PROMPTS, needs
from vibe_router_export.choices import ReferenceChoice
from vibe_router_export.export import NativeOptions, export_native
from web.build import build

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "web" / "test"
NANO = ROOT / "artifacts" / "nano"
NODE = shutil.which("node")

pytestmark = [
    pytest.mark.slow,
    needs_native_engine,
    pytest.mark.skipif(NODE is None, reason="Node is not installed"),
]


@pytest.fixture(scope="module", autouse=True)
def modules() -> list[Path]:
    return build()


def run_node(test: str, *, bundle: Path, expected: Path, node: Sequence[str] = (str(NODE),), **more: str) -> str:
    environment = os.environ | {"VIBE_ROUTER_BUNDLE": str(bundle), "VIBE_ROUTER_EXPECTED": str(expected)} | more
    command = [*node, str(TESTS / test)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
    return ran.stdout


def test_node_decides_as_python(tmp_path: Path) -> None:
    checkpoint = native_checkpoint(tmp_path / "checkpoint", profiles={"balanced": 0.42, "low": 0.3})
    bundle = tmp_path / "bundle"
    export_native(checkpoint, bundle, options=NativeOptions(reference=ReferenceChoice.NONE))
    write_expected(bundle, [*golden_prompts(bundle), *mixed_prompts(150, seed=9)], tmp_path / "expected.jsonl")
    run_node("conformance.test.js", bundle=bundle, expected=tmp_path / "expected.jsonl")


@needs(PROMPTS)
def test_node_decides_as_python_on_two_thousand_real_prompts(tmp_path: Path) -> None:
    prompts = [*golden_prompts(NANO), *spread([PROMPTS], 2000)]
    assert write_expected(NANO, prompts, tmp_path / "expected.jsonl") > 2000
    run_node("conformance.test.js", bundle=NANO, expected=tmp_path / "expected.jsonl")


@pytest.mark.parametrize("processor", ["x64", "arm64"])
def test_relaxed_instructions_decide_as_python_on_each_processor(processor: str, tmp_path: Path) -> None:
    # The relaxed product of bytes is another one on ARM, so the module computes otherwise there.
    prompts = sorted([*golden_prompts(NANO), *mixed_prompts(150, seed=10)], key=len)
    # An emulator takes seconds for a long one.
    write_expected(NANO, prompts[:150], tmp_path / "expected.jsonl")
    answers: dict[str, str] = {}
    for node in ((str(NODE),), node_with_relaxed_simd(tmp_path, processor)):
        told = tmp_path / "answers.jsonl"
        more = {"VIBE_ROUTER_ANSWERS": str(told)}
        one_test = (*node, "--test-name-pattern", "every prompt")
        run_node("conformance.test.js", bundle=NANO, expected=tmp_path / "expected.jsonl", node=one_test, **more)
        answers[node[0]] = told.read_text()
    assert len(set(answers.values())) == 1


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    return browser_or_skip(tmp_path_factory.mktemp("playwright"))


def test_chromium_decides_as_python(browser: Mapping[str, str], tmp_path: Path) -> None:
    write_expected(NANO, golden_prompts(NANO), tmp_path / "expected.jsonl")
    printed = run_node("browser.test.js", bundle=NANO, expected=tmp_path / "expected.jsonl", **browser)
    assert "# pass 9" in printed
