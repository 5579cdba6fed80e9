"""ONNX graphs as the exporter emits them, of small models of any architecture, without writing a bundle."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import onnx

from tests.support.checkpoints import small_config
from vibe_router_export.checkpoint.config import parse_config
from vibe_router_export.checkpoint.weights import arrange
from vibe_router_export.choices import Precision
from vibe_router_export.emit.onnx import file as onnx_file
from vibe_router_export.emit.onnx.graph import OnnxGraph, build_onnx
from vibe_router_export.emit.onnx.half import build_half_precision_onnx
from vibe_router_export.emit.onnx.portable import build_portable_onnx
from vibe_router_export.emit.quantize import lowered
from vibe_router_export.fold.folds import centre_residual
from vibe_router_export.fold.half_precision import HalfPrecisionFolds, fold_for_half_precision
from vibe_router_export.recipes.files import PORTABLE_FILES
from vibe_router_export.synthetic.checkpoint import random_tensors

KINDS = tuple([(precision, False) for precision in Precision] + [(precision, True) for precision in PORTABLE_FILES])
"""Every kind of graph: its precision, and whether it is the portable one."""


def small_graph(precision: Precision, *, portable: bool, max_tokens: int, **changes: Any) -> OnnxGraph:
    """Return the graph of a small model with `changes` of its config.json."""
    config = parse_config(json.dumps(small_config(**changes)))
    weights = arrange(config, random_tensors(config, seed=0))
    if precision is Precision.FP16:
        return build_half_precision_onnx(fold_for_half_precision(weights, HalfPrecisionFolds()), max_tokens=max_tokens)
    build = build_portable_onnx if portable else build_onnx
    return build(centre_residual(weights), max_tokens=max_tokens, plan=lowered(weights, precision))


@cache
def emitted(precision: Precision, portable: bool = False, max_tokens: int = 1024, **changes: Any) -> bytes:
    """Return the file of `small_graph`, all weights inside."""
    graph = small_graph(precision, portable=portable, max_tokens=max_tokens, **changes)
    tensors = [onnx.numpy_helper.from_array(np.ascontiguousarray(value), key) for key, value in graph.constants.items()]
    return onnx_file._model(graph, tensors).SerializeToString()
