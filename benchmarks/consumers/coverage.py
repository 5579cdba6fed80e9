"""Nodes of a graph that ONNX Runtime's phone providers take, by the lists of operators that ONNX Runtime publishes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

COVERAGE = "coverage"
"""What this is called among the consumers."""
_TOKENS = 128
_CORE_ML = "coreml_supported_mlprogram_ops.md"


def coverage(graph: Path, *, bundle: str, precision: str) -> list[dict[str, Any]]:
    """Return the nodes, the supported ones and the partitions of each provider, for one prompt of 128 tokens.

    Operators and ranks are compared, as onnxruntime.tools.check_onnx_model_mobile_usability does; whether a device
    then runs a node is known only there. ONNX Runtime publishes no list for QNN.
    """
    import onnx
    from onnxruntime.tools.mobile_helpers.usability_checker import check_coreml_partitions, check_nnapi_partitions

    with tempfile.TemporaryDirectory() as scratch:
        fixed = onnx.load(_fixed(graph, Path(scratch)), load_external_data=False)
    inferred = onnx.shape_inference.infer_shapes(fixed, strict_mode=True, data_prop=True)
    providers = {
        "CoreML": check_coreml_partitions(inferred, True, _CORE_ML),
        "NNAPI": check_nnapi_partitions(inferred, True),
    }
    return [
        {
            "bundle": bundle,
            "precision": precision,
            "key": provider,
            "nodes": found.num_nodes,
            "supported": found.num_supported_nodes,
            "partitions": found.num_partitions,
            "unsupported": sorted(found.unsupported_ops),
        }
        for provider, found in providers.items()
    ]


def _fixed(graph: Path, folder: Path) -> Path:
    """Return the graph for one prompt of `_TOKENS` tokens, with what then is constant folded in."""
    import onnx
    import onnxruntime
    from onnxruntime.tools.onnx_model_utils import make_dim_param_fixed, optimize_model

    model = onnx.load(graph)
    for name, size in (("batch", 1), ("sequence", _TOKENS)):
        make_dim_param_fixed(model.graph, name, size)
    plain, optimized = folder / "fixed.onnx", folder / "optimized.onnx"
    onnx.save(model, plain, save_as_external_data=True, location="fixed.onnx_data")
    optimize_model(plain, optimized, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC)
    return optimized
