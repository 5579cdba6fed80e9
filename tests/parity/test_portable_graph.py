"""The portable graph: it scores as the fast one does, and is of what other software understands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from tests.support.checkpoints import small_config, write_checkpoint
from tests.support.sequences import padded_sequences
from vibe_router import Router
from vibe_router.bundle.bundle import open_bundle
from vibe_router_export.checkpoint.checkpoint import Checkpoint, read_checkpoint
from vibe_router_export.choices import Precision, ReferenceChoice
from vibe_router_export.emit.onnx.file import write_graphs
from vibe_router_export.emit.onnx.graph import build_onnx
from vibe_router_export.emit.onnx.portable import build_portable_onnx
from vibe_router_export.emit.quantize import MatrixFormat, lowered
from vibe_router_export.export import ExportOptions, export_onnx
from vibe_router_export.first_manifest import Claims
from vibe_router_export.fold.folds import centre_residual
from vibe_router_export.recipes.files import MODEL_FILES, PORTABLE_FILES, weights_file

onnxruntime = pytest.importorskip("onnxruntime")

CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "mean pooling": {},
    "cls pooling": {"classifier_pooling": "cls"},
    "biases everywhere": {"norm_bias": True, "attention_bias": True, "mlp_bias": True, "classifier_bias": True},
    "one layer, all global": {"num_hidden_layers": 1, "global_attn_every_n_layers": 1},
    "odd window, other thetas": {"local_attention": 5, "global_rope_theta": 500.0, "local_rope_theta": 50.0},
    "no common factors": {"hidden_size": 96, "intermediate_size": 40, "num_attention_heads": 12},
}
# Of the inputs 32 at a time, so that rows of 48 numbers end inside a block.
_IN_BLOCKS = {"hidden_size": 48, "intermediate_size": 40, "num_attention_heads": 4}
_UNPROVEN = ExportOptions(claims=Claims(temperature=1.0), reference=ReferenceChoice.NONE, max_flips=10_000)


def small(folder: Path, **changed: Any) -> Checkpoint:
    return read_checkpoint(write_checkpoint(folder / "small", small_config(**changed)))


def scores(path: Path, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> list[NDArray[np.float32]]:
    """Return logits and p_cloud; exact products of integers wherever this processor has only others."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    outputs: list[NDArray[np.float32]] = session.run(["logits", "p_cloud"], {"input_ids": ids, "attention_mask": mask})
    stated = [output.shape for output in session.get_outputs()]
    assert stated == [["batch", 1], ["batch", 1]]
    assert [output.shape for output in outputs] == [(len(ids), 1)] * 2
    return outputs


@pytest.mark.parametrize("name", CONFIGURATIONS, ids=lambda name: name.replace(" ", "-"))
def test_in_fp32_it_scores_as_the_fast_graph_does(tmp_path: Path, name: str) -> None:
    checkpoint = small(tmp_path, **CONFIGURATIONS[name])
    weights = centre_residual(checkpoint.weights)
    fast, portable = tmp_path / "fast.onnx", tmp_path / "portable.onnx"
    graphs = {fast: build_onnx(weights, max_tokens=128), portable: build_portable_onnx(weights, max_tokens=128)}
    write_graphs(graphs, data=tmp_path / "data")
    ids, mask = padded_sequences(checkpoint.config, lengths=(2, 3, 9, 33, 64, 100), width=110)
    for one, other in zip(scores(fast, ids, mask), scores(portable, ids, mask), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


@pytest.mark.parametrize("changed", [{}, _IN_BLOCKS], ids=["whole blocks", "parts of blocks"])
def test_matrices_in_blocks_of_int8_are_what_the_fast_graph_multiplies_by(
    tmp_path: Path, changed: dict[str, int]
) -> None:
    checkpoint = small(tmp_path, **changed)
    weights = checkpoint.weights
    names = lowered(weights, Precision.INT8)
    plan = {name: MatrixFormat.INT8_BLOCKS for name in names if name != weights.token_embedding.name}
    fast, portable, exact = (tmp_path / f"{name}.onnx" for name in ("fast", "portable", "exact"))
    graphs = {
        fast: build_onnx(weights, max_tokens=128, plan=plan),
        portable: build_portable_onnx(weights, max_tokens=128, plan=plan),
    }
    write_graphs(graphs, data=tmp_path / "data")
    write_graphs({exact: build_onnx(weights, max_tokens=128)}, data=tmp_path / "exact_data")
    ids, mask = padded_sequences(checkpoint.config, lengths=(9, 33, 64))
    logits = [scores(path, ids, mask)[0] for path in (fast, portable, exact)]
    # The fast graph rounds the inputs as well.
    assert 0 < np.abs(logits[1] - logits[2]).max() < 0.1
    assert np.abs(logits[0] - logits[1]).max() < 0.1


@pytest.mark.parametrize("precision", PORTABLE_FILES)
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_it_is_primitives_of_an_old_version_with_shapes_that_can_be_inferred(
    tmp_path: Path, pooling: str, precision: Precision
) -> None:
    checkpoint = small(tmp_path, classifier_pooling=pooling)
    weights = centre_residual(checkpoint.weights)
    path = tmp_path / "portable.onnx"
    graph = build_portable_onnx(weights, max_tokens=128, plan=lowered(weights, precision))
    write_graphs({path: graph}, data=tmp_path / "data")
    model = onnx.load(path)
    assert (model.ir_version, [(one.domain, one.version) for one in model.opset_import]) == (8, [("", 17)])
    assert {node.domain for node in model.graph.node} == {""}
    assert not {"If", "Attention", "RotaryEmbedding"} & {node.op_type for node in model.graph.node}
    assert {len(node.input) for node in model.graph.node if node.op_type == "LayerNormalization"} == {3}
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    known = {value.name for value in (*inferred.value_info, *inferred.output)}
    assert [output for node in model.graph.node for output in node.output if output not in known] == []
    ids, mask = padded_sequences(checkpoint.config, lengths=(9, 33))
    assert np.isfinite(scores(path, ids, mask)).all()


def test_there_is_none_in_int4(tmp_path: Path) -> None:
    weights = small(tmp_path).weights
    with pytest.raises(ValueError, match="no matrices in int4"):
        build_portable_onnx(weights, max_tokens=128, plan=lowered(weights, Precision.INT4))


def test_both_graphs_of_a_precision_share_one_file_of_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vibe_router_export.emit.onnx.file._SINGLE_FILE_BYTES", 0)
    options = replace(_UNPROVEN, precisions=tuple(PORTABLE_FILES))
    manifest = export_onnx(small(tmp_path), tmp_path / "bundle", options=options).manifest
    data = {precision: weights_file(precision) for precision in PORTABLE_FILES}
    assert {(engine.kind, engine.file, engine.weights) for engine in manifest.engines} == {
        *(("onnx", MODEL_FILES[precision], data[precision]) for precision in data),
        *(("portable", PORTABLE_FILES[precision], data[precision]) for precision in data),
    }
    assert {name for name in manifest.files if name.endswith("_data")} == set(data.values())
    for precision in data:
        with Router.load(tmp_path / "bundle", verify="all", engine="onnx-cpu", precision=precision.value) as router:
            assert router.engine.file == MODEL_FILES[precision]
            assert 0 < router.route("hi").p_cloud < 1


def test_the_weights_of_the_graph_in_use_count_as_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vibe_router_export.emit.onnx.file._SINGLE_FILE_BYTES", 0)
    monkeypatch.setattr("vibe_router.bundle.bundle._SMALL", 0)
    options = replace(_UNPROVEN, precisions=tuple(PORTABLE_FILES))
    export_onnx(small(tmp_path), tmp_path / "bundle", options=options)
    bundle = open_bundle(tmp_path / "bundle")
    used, other = Precision.FP32, Precision.INT8
    unused = bundle.unused(MODEL_FILES[used])
    assert weights_file(used) not in unused
    assert {weights_file(other), MODEL_FILES[other], PORTABLE_FILES[used]} <= unused
