"""`python -m benchmarks bundle-checkpoint`: a bundle's weights as a checkpoint again, to export them in int8 too."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

_COPIED = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


def bundle_checkpoint(
    bundle: Annotated[Path, typer.Argument(help="Folder of a bundle with an fp32 graph.")],
    out: Annotated[Path, typer.Argument(help="Folder of the checkpoint to write.")],
) -> None:
    """Write the checkpoint that computes what a bundle's fp32 graph does, its temperature folded in."""
    from safetensors.numpy import save_file

    from vibe_router.bundle.bundle import open_bundle
    from vibe_router_tools.atomic.write import staged_folder

    manifest = open_bundle(bundle).manifest
    profiles = {name: threshold.calibrated for name, threshold in manifest.thresholds.items()}
    named = {"name": manifest.name, "default_profile": manifest.default_profile}
    router = named | {"temperature": 1.0, "profiles": profiles}
    with staged_folder(out, replace=None) as staged:
        for name in _COPIED:
            if (bundle / name).is_file():
                shutil.copy(bundle / name, staged / name)
        (staged / "router_config.json").write_text(json.dumps(router, indent=2) + "\n")
        save_file(_tensors(bundle), staged / "model.safetensors", metadata={"format": "pt"})
    typer.echo(str(out))


def _tensors(bundle: Path) -> dict[str, Any]:
    """Return the parameters, which the portable graph keeps under the checkpoint's names, matrices transposed."""
    import numpy as np
    import onnx

    from vibe_router_export.checkpoint.config import parse_config
    from vibe_router_export.checkpoint.weights import expected_shapes
    from vibe_router_export.choices import Precision
    from vibe_router_export.recipes.files import PORTABLE_FILES

    config = parse_config((bundle / "config.json").read_text("utf-8"))
    graph = onnx.load(bundle / PORTABLE_FILES[Precision.FP32]).graph
    kept = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    products = {name for node in graph.node if node.op_type == "MatMul" for name in node.input}
    return {
        name: np.ascontiguousarray(kept[name].T if name in products else kept[name]) for name in expected_shapes(config)
    }
