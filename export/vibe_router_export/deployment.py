"""A bundle's portable graph for other runtimes: ONNX Runtime's own format, and a model repository of Triton."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vibe_router.bundle.bundle import Bundle, open_bundle
from vibe_router.errors import ParityError, UsageError
from vibe_router.policy import sigmoid
from vibe_router.verify import FP32_TOLERANCE, GoldenPrompt, read_golden
from vibe_router_export.choices import Precision, RuntimeFormat
from vibe_router_export.recipes.files import PORTABLE, PORTABLE_FILES
from vibe_router_tools.atomic.write import staged_file, staged_folder

# Nowhere is a sigmoid steeper than a quarter.
MOST_DIFFERENCE = {Precision.FP32: FP32_TOLERANCE / 4, Precision.INT8: 2e-2}
"""Largest difference of p_cloud from the golden prompts'."""
_CONFIG = """\
name: "{name}"
backend: "onnxruntime"
max_batch_size: {batch}
input [
  {{ name: "input_ids" data_type: TYPE_INT64 dims: [ -1 ] }},
  {{ name: "attention_mask" data_type: TYPE_INT64 dims: [ -1 ] }}
]
output [
  {{ name: "logits" data_type: TYPE_FP32 dims: [ 1 ] }},
  {{ name: "p_cloud" data_type: TYPE_FP32 dims: [ 1 ] }}
]
"""
_BATCH = 64


def deploy(folder: Path, target: Path, *, to: RuntimeFormat, precision: Precision, overwrite: bool = False) -> float:
    """Write the bundle at `folder` for another runtime, and return how far p_cloud is off on the golden prompts.

    Nothing is at `target` unless the written file scores as the golden prompts say.

    Raises:
        UsageError: the bundle has no portable graph of this precision, or `target` exists and `overwrite` is not set.
        ParityError: the written file scores differently.
    """
    bundle = open_bundle(folder)
    file = PORTABLE_FILES.get(precision)
    if not any((engine.kind, engine.file) == (PORTABLE, file) for engine in bundle.manifest.engines):
        raise UsageError(
            f"{folder} has no portable graph in {precision.value}", hint="router-export onnx --precision writes one"
        )
    graph = bundle.folder / str(file)
    golden = tuple(read_golden(bundle))
    if to is RuntimeFormat.ORT:
        with staged_file(target, overwrite=overwrite) as staged:
            _write_ort(graph, staged, precision)
            return _checked(staged, golden, precision)
    with staged_folder(target, replace=f"{bundle.manifest.name}/config.pbtxt" if overwrite else None) as staged:
        return _checked(_write_triton(bundle, graph, staged), golden, precision)


def _write_ort(graph: Path, target: Path, precision: Precision) -> None:
    options = _options(precision)
    options.add_session_config_entry("session.save_model_format", "ORT")
    options.optimized_model_filepath = str(target)
    _session(graph, options)


def _write_triton(bundle: Bundle, graph: Path, repository: Path) -> Path:
    """Write NAME/config.pbtxt and NAME/1/model.onnx with its weights, and return the path of the graph."""
    name = bundle.manifest.name
    version = repository / name / "1"
    version.mkdir(parents=True)
    (repository / name / "config.pbtxt").write_text(_CONFIG.format(name=name, batch=_BATCH), encoding="utf-8")
    for source in graph.parent.glob(f"{graph.name}_data"):
        shutil.copyfile(source, version / source.name)
    # The server looks for this name; the graph names the file of its weights itself.
    return Path(shutil.copyfile(graph, version / "model.onnx"))


def _checked(file: Path, golden: tuple[GoldenPrompt, ...], precision: Precision) -> float:
    session = _session(file, _options(precision))
    furthest = max(_differences(session, golden))
    if not furthest <= MOST_DIFFERENCE[precision]:
        raise ParityError(
            f"p_cloud is {furthest:.1e} off on a golden prompt, more than {MOST_DIFFERENCE[precision]:.0e}",
            hint="nothing was written; vibe-router verify says whether the bundle itself is as it was",
        )
    return furthest


def _differences(session: Any, golden: tuple[GoldenPrompt, ...]) -> Iterator[float]:
    for prompt in golden:
        ids = np.array([prompt.input_ids], np.int64)
        (p_cloud,) = session.run(["p_cloud"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        yield abs(float(p_cloud[0, 0]) - sigmoid(prompt.logit))


def _options(precision: Precision) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Above this level are layouts for the processor at hand; in int8 exact products need it.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    if precision is Precision.INT8:
        options.add_session_config_entry("session.x64quantprecision", "1")
    return options


def _session(file: Path, options: Any) -> Any:
    import onnxruntime

    # By its name, because the temporary file that is being written has no suffix.
    load_format = "ONNX" if file.suffix == ".onnx" else "ORT"
    options.add_session_config_entry("session.load_model_format", load_format)
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
