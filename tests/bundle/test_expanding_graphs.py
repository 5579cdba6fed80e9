"""Bundles whose graphs of a kilobyte ask for gigabytes: they are refused before ONNX Runtime sees a byte."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from onnx import ModelProto, NodeProto

from tests.support.bundles import replace_file, write_bundle
from tests.support.expanding_graphs import HOSTILE, hostile
from vibe_router import Router, Target
from vibe_router.engines.onnx import cpu
from vibe_router.errors import BundleCorruptError


@pytest.mark.parametrize("build", HOSTILE.values(), ids=HOSTILE)
def test_a_graph_that_expands_never_reaches_onnx_runtime(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build: Callable[[ModelProto], list[NodeProto]]
) -> None:
    def reached(*_: object, **__: object) -> None:
        pytest.fail("ONNX Runtime was given the graph")

    folder = write_bundle(tmp_path / "b")
    replace_file(folder, "onnx/model.onnx", hostile(build).SerializeToString())
    monkeypatch.setattr(cpu.onnxruntime, "InferenceSession", reached)
    for engine in ("auto", "onnx-cpu"):
        with pytest.raises(BundleCorruptError, match=r"onnx/model\.onnx: ") as caught:
            Router.load(folder, engine=engine, threads=1, verify="off")
        assert "again" in caught.value.hint


def test_the_same_bundle_without_them_routes(tmp_path: Path) -> None:
    with Router.load(write_bundle(tmp_path / "b"), threads=1) as router:
        assert router.route("hi").target in Target
