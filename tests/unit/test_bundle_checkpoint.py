"""A bundle's weights as a checkpoint again: it computes what the bundle does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.consumers.checkpoint import bundle_checkpoint
from tests.support.checkpoints import small_config, write_checkpoint
from vibe_router import Router
from vibe_router_export.checkpoint.checkpoint import read_checkpoint
from vibe_router_export.choices import ReferenceChoice
from vibe_router_export.export import ExportOptions, export_onnx
from vibe_router_export.first_manifest import Claims

_OPTIONS = ExportOptions(claims=Claims(name="small", temperature=1.25), reference=ReferenceChoice.NONE)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_exported_again_it_scores_the_same(tmp_path: Path, pooling: str) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    checkpoint = read_checkpoint(write_checkpoint(tmp_path / "small", small_config(classifier_pooling=pooling)))
    export_onnx(checkpoint, first, options=_OPTIONS)
    bundle_checkpoint(first, tmp_path / "again")
    export_onnx(read_checkpoint(tmp_path / "again"), second, options=replace(_OPTIONS, claims=Claims()))
    with Router.load(first) as one, Router.load(second) as other:
        assert one.bundle.manifest.name == other.bundle.manifest.name
        for prompt in ("hi", "what is two and two?"):
            expected, given = one.route(prompt), other.route(prompt)
            assert given.p_cloud == pytest.approx(expected.p_cloud, abs=1e-6)
            assert given.threshold == pytest.approx(expected.threshold)
