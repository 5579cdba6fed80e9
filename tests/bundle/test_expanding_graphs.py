"""Graphs of a kilobyte that ask for petabytes when they run: a failure of the engine, and the fallback is had."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tests.support.bundles import replace_file, write_bundle
from vibe_router import Reason, Router, Target
from vibe_router.errors import BundleCorruptError, EngineError

ENORMOUS = 2**46
"""Floats that no machine has: the request is refused before anything is written."""


def _expand(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.array([ENORMOUS, 1, 1], np.int64), "shape"))
    _before_the_sum(model, helper.make_node("Expand", ["masked", "shape"], ["more"]))


def _range(model: onnx.ModelProto) -> None:
    for name, value in (("from", 0), ("to", ENORMOUS), ("step", 1)):
        model.graph.initializer.append(numpy_helper.from_array(np.array(value, np.int64), name))
    _before_the_sum(
        model,
        helper.make_node("Range", ["from", "to", "step"], ["numbers"]),
        helper.make_node("Cast", ["numbers"], ["floats"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["floats", "columns"], ["rows"]),
        helper.make_node("Mul", ["masked", "rows"], ["more"]),
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 2], np.int64), "columns"))


def _tile(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.array([ENORMOUS, 1, 1], np.int64), "times"))
    _before_the_sum(model, helper.make_node("Tile", ["masked", "times"], ["more"]))


def _constant_of_shape(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.array([ENORMOUS, 1, 1], np.int64), "shape"))
    _before_the_sum(
        model,
        helper.make_node("ConstantOfShape", ["shape"], ["ones"]),
        helper.make_node("Add", ["masked", "ones"], ["more"]),
    )


def _before_the_sum(model: onnx.ModelProto, *nodes: onnx.NodeProto) -> None:
    """Put nodes between the tiny graph's `masked` and the sum of it; the last of them writes `more`."""
    place = next(index for index, node in enumerate(model.graph.node) if node.op_type == "ReduceSum")
    model.graph.node[place].input[0] = "more"
    for offset, node in enumerate(nodes):
        model.graph.node.insert(place + offset, node)


def hostile(folder: Path, change: object) -> Path:
    assert callable(change)
    write_bundle(folder)
    model = onnx.load(folder / "onnx/model.onnx")
    change(model)
    added = len(model.SerializeToString()) - (folder / "onnx/model.onnx").stat().st_size
    assert added < 1024
    replace_file(folder, "onnx/model.onnx", model.SerializeToString())
    return folder


@pytest.mark.parametrize("change", [_expand, _range])
def test_memory_that_nobody_has_is_a_failure_of_the_engine(tmp_path: Path, change: object) -> None:
    with Router.load(hostile(tmp_path / "b", change), threads=1) as router:
        with pytest.raises(EngineError):
            router.route("hi")
        decision = router.route("hi", fallback=Target.DEVICE, timeout=60)
        assert (decision.target, decision.reason) == (Target.DEVICE, Reason.FALLBACK)
        assert router.route("hi", allow_cloud=False).reason is Reason.PINNED


@pytest.mark.parametrize("change", [_tile, _constant_of_shape])
def test_operators_that_no_export_has_are_refused(tmp_path: Path, change: object) -> None:
    with pytest.raises(BundleCorruptError, match="none of a router's"):
        Router.load(hostile(tmp_path / "b", change), threads=1)
