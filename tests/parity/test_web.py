"""The router in WebAssembly decides as the runtime does: web/test, run by Node over a bundle made here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.native import native_checkpoint, needs_native_engine
from tests.support.prompts import mixed_prompts
from vibe_router import Router
from vibe_router.text.tokenizer import PromptTokenizer
from vibe_router_export.choices import ReferenceChoice
from vibe_router_export.export import NativeOptions, export_native
from web.build import build

WEB = Path(__file__).resolve().parents[2] / "web"
NODE = shutil.which("node")


@pytest.mark.slow
@needs_native_engine
@pytest.mark.skipif(NODE is None, reason="Node is not installed")
def test_node_decides_as_python(tmp_path: Path) -> None:
    assert NODE is not None
    checkpoint = native_checkpoint(tmp_path / "checkpoint", profiles={"balanced": 0.42, "low": 0.3})
    bundle = tmp_path / "bundle"
    export_native(checkpoint, bundle, options=NativeOptions(reference=ReferenceChoice.NONE))
    expected = tmp_path / "expected.jsonl"
    with Router.load(bundle, engine="native-cpu", precision="int8") as router, expected.open("w") as lines:
        tokenizer = PromptTokenizer(
            (bundle / "tokenizer.json").read_bytes(), max_tokens=router.bundle.manifest.max_tokens
        )
        golden = [json.loads(line)["prompt"] for line in (bundle / "golden.jsonl").read_text("utf-8").splitlines()]
        # JavaScript has pairs of surrogates where Python has one character.
        prompts = [one for one in (*golden, *mixed_prompts(150, seed=9)) if one.isascii() or _is_text(one)]
        for prompt, decision in zip(prompts, router.route_many(prompts), strict=True):
            encoded = tokenizer.encode(prompt)
            line = {"prompt": prompt, "ids": encoded.ids.tolist(), "truncated": encoded.truncated}
            score = {"p_cloud": decision.p_cloud, "threshold": decision.threshold, "target": decision.target.value}
            lines.write(json.dumps(line | score) + "\n")
    build()
    environment = os.environ | {"VIBE_ROUTER_BUNDLE": str(bundle), "VIBE_ROUTER_EXPECTED": str(expected)}
    ran = subprocess.run(
        [NODE, "--test", str(WEB / "test")], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout


def _is_text(prompt: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in prompt)
