"""The fp16 graph of the CUDA lane: it decides as PyTorch does, and asks for nothing that a GPU leaves to the CPU."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, shape_inference

from tests.support.checkpoints import small_config, write_checkpoint
from tests.support.prompts import mixed_prompts
from tests.support.sequences import unpadded
from vibe_router import Router
from vibe_router.bundle.bundle import open_bundle
from vibe_router.engines.onnx.cpu import OnnxCpuEngine
from vibe_router.errors import ParityError
from vibe_router.verify import verify
from vibe_router_export.checkpoint.checkpoint import Checkpoint, read_checkpoint
from vibe_router_export.checkpoint.weights import Linear, ModernBertWeights, Parameter
from vibe_router_export.choices import Precision, ReferenceChoice
from vibe_router_export.emit.numpy.half import evaluate_half
from vibe_router_export.emit.numpy.values import evaluate
from vibe_router_export.emit.onnx.file import write_onnx
from vibe_router_export.emit.onnx.half import build_half_precision_onnx
from vibe_router_export.export import ExportOptions, export_onnx
from vibe_router_export.first_manifest import Claims
from vibe_router_export.fold.half_precision import HalfPrecisionFolds, choose_peak_scale, fold_for_half_precision
from vibe_router_export.observe.residual_scale import measured_norm_inputs
from vibe_router_export.proof.parity import HALF_PRECISION_P_DIFFERENCE, failure, limits_for
from vibe_router_export.recipes import half_precision
from vibe_router_export.recipes.files import MODEL_FILES
from vibe_router_export.synthetic.checkpoint import Outliers

FILE = MODEL_FILES[Precision.FP16]
OPTIONS = ExportOptions(
    claims=Claims(temperature=1.083), precisions=[Precision.FP32, Precision.FP16], prompts=mixed_prompts(40, seed=5)
)
UNPROVEN = replace(OPTIONS, reference=ReferenceChoice.NONE)
# Kernels of ONNX Runtime's CUDA provider that take the types used here, from docs/OperatorKernels.md of 1.24.
CUDA_KERNELS = {
    "": {
        *("Abs", "Add", "Cast", "CumSum", "Div", "Equal", "Gather", "Greater", "LayerNormalization", "MatMul", "Mul"),
        *("Or", "ReduceSum", "Sigmoid", "Split", "Squeeze", "Sub", "Unsqueeze", "Where"),
    },
    "com.microsoft": {"Gelu", "MultiHeadAttention", "RotaryEmbedding"},
}


def folded(checkpoint: Checkpoint) -> ModernBertWeights:
    return fold_for_half_precision(checkpoint.weights, HalfPrecisionFolds())


def p(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits.astype(np.float64)))


@pytest.fixture(scope="module", params=[None, Outliers()], ids=["plain", "massive activations"])
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return read_checkpoint(write_checkpoint(tmp_path_factory.mktemp("half") / "small", outliers=request.param))


def test_it_decides_as_pytorch_does(checkpoint: Checkpoint, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="parity is measured against PyTorch")
    exported = export_onnx(
        checkpoint, tmp_path / "bundle", options=replace(OPTIONS, reference=ReferenceChoice.TRANSFORMERS)
    )
    (graph,) = exported.low_precision
    numbers = graph.report.numbers
    assert numbers.flips_outside_band == 0
    assert 1e-7 < numbers.max_abs_probability_difference <= HALF_PRECISION_P_DIFFERENCE
    sizes = {name: entry.bytes for name, entry in exported.manifest.files.items()}
    assert sizes[FILE] < 0.65 * sizes[MODEL_FILES[Precision.FP32]]
    with Router.load(tmp_path / "bundle", threads=1) as automatic:
        assert automatic.engine.precision == "fp32", "a CPU is slower in fp16"
    with Router.load(tmp_path / "bundle", precision="fp16", threads=1) as router:
        assert router.engine.file == FILE
        assert verify(router).passed


@pytest.mark.parametrize(
    "changes",
    [{}, {"classifier_pooling": "cls"}, dict.fromkeys(("norm_bias", "attention_bias", "mlp_bias"), True)],
    ids=["mean", "cls", "biases"],
)
def test_every_operator_has_a_kernel_on_the_gpu_and_none_asks_for_a_shape(
    changes: dict[str, object], tmp_path: Path
) -> None:
    checkpoint = read_checkpoint(write_checkpoint(tmp_path / "small", small_config(**changes)))
    path = tmp_path / "model.onnx"
    write_onnx(build_half_precision_onnx(folded(checkpoint), max_tokens=128), path)
    model = onnx.load(path)
    assert {node.op_type for node in model.graph.node if node.op_type not in CUDA_KERNELS[node.domain]} == set()
    # A kernel is registered for a version of its operator, and the CUDA provider's newest versions come late.
    assert {entry.domain: entry.version for entry in model.opset_import} == {"": 20, "com.microsoft": 1}
    assert {output.name: output.type.tensor_type.elem_type for output in model.graph.output} == {
        "logits": TensorProto.FLOAT,
        "p_cloud": TensorProto.FLOAT,
    }
    kinds = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    inferred = shape_inference.infer_shapes(model).graph.value_info
    kinds |= {value.name: value.type.tensor_type.elem_type for value in inferred}
    encoder = [node for node in model.graph.node if node.op_type == "MatMul" and "layers." in node.input[1]]
    assert len(encoder) == 4 * len(checkpoint.config.layers)
    assert {kinds[node.input[1]] for node in encoder} == {TensorProto.FLOAT16}
    norms = [node for node in model.graph.node if node.op_type == "LayerNormalization"]
    assert {kinds[node.input[1]] for node in norms} == {TensorProto.FLOAT}

    random = np.random.default_rng(0)
    ids = random.integers(5, checkpoint.config.vocabulary_size, (3, 40))
    mask = np.ones_like(ids)
    mask[1, 7:], mask[2, 30:] = 0, 0
    engine = OnnxCpuEngine(path, file="model.onnx", precision="fp16", pad_token_id=0, threads=1)
    np.testing.assert_allclose(
        p(engine.logits(unpadded(ids, mask))), p(evaluate(checkpoint.weights, ids, mask)), atol=2e-3
    )


def test_every_rounding_to_fp16_is_within_the_bound_too(checkpoint: Checkpoint) -> None:
    weights = folded(checkpoint)
    row = np.array([[checkpoint.config.cls_token_id, *range(8, 60), checkpoint.config.sep_token_id]])
    mask = np.ones_like(row)
    exact, rounded = p(evaluate(checkpoint.weights, row, mask)), p(evaluate_half(weights, row, mask))
    assert 0 < np.abs(exact - rounded).max() <= HALF_PRECISION_P_DIFFERENCE


def with_large_gates(weights: ModernBertWeights, factor: float) -> ModernBertWeights:
    """Return weights of the same function whose GeGLU gates are `factor` times larger."""

    def scaled(linear: Linear, value: np.ndarray) -> Linear:
        return Linear(Parameter(linear.weight.name, value.astype(np.float32)), linear.bias)

    rows = np.repeat([1.0, factor], weights.config.intermediate_size)[:, None]
    layers = tuple(
        replace(
            layer,
            mlp_input=scaled(layer.mlp_input, layer.mlp_input.weight.value * rows),
            mlp_output=scaled(layer.mlp_output, layer.mlp_output.weight.value / factor),
        )
        for layer in weights.layers
    )
    return replace(weights, layers=layers)


@pytest.mark.parametrize(
    ("factor", "rounded_prompts", "message"),
    [(2.0**16, 1, "overflows in fp16"), (2.0**18, 1, "overflows in fp16"), (2.0**16, 0, "p_cloud is up to")],
    # The CPU provider multiplies in fp32 and overflows nowhere, but the small factors of the next matrix are lost.
    ids=["activations", "weights", "not seen by the CPU provider"],
)
def test_what_overflows_is_refused_and_nothing_is_written(
    factor: float, rounded_prompts: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(half_precision, "_ROUNDED_PROMPTS", rounded_prompts)
    plain = read_checkpoint(write_checkpoint(tmp_path / "small"))
    large = replace(plain, weights=with_large_gates(plain.weights, factor))
    with pytest.raises(ParityError, match=message) as caught:
        export_onnx(large, tmp_path / "bundle", options=UNPROVEN)
    assert caught.value.exit_code == 7
    assert not (tmp_path / "bundle").exists()


def test_p_cloud_may_not_be_further_off_than_the_bound(tmp_path: Path) -> None:
    plain = read_checkpoint(write_checkpoint(tmp_path / "small"))
    (graph,) = export_onnx(plain, tmp_path / "bundle", options=UNPROVEN).low_precision
    far = replace(graph.report, numbers=replace(graph.report.numbers, max_abs_probability_difference=2.1e-3))
    assert failure(far, limits_for(Precision.INT8), temperature=1.0) is None
    error = failure(far, limits_for(Precision.FP16), temperature=1.0)
    assert error is not None
    assert "p_cloud is up to 2.1e-03 off" in error.message
    not_a_number = replace(far, numbers=replace(far.numbers, max_abs_probability_difference=math.nan))
    assert failure(not_a_number, limits_for(Precision.FP16), temperature=1.0) is not None
    assert open_bundle(tmp_path / "bundle").manifest.engines[1].parity is None, "nothing is proven without a reference"


def test_the_residual_is_scaled_where_its_peak_needs_it(checkpoint: Checkpoint) -> None:
    assert choose_peak_scale(1_600.0) == 1.0
    assert choose_peak_scale(25_000.0) == 0.25
    start, end = checkpoint.config.cls_token_id, checkpoint.config.sep_token_id
    folded = fold_for_half_precision(checkpoint.weights, HalfPrecisionFolds())
    seen = measured_norm_inputs(folded, [np.array([start, *range(8, 8 + n), end]) for n in range(1, 20)])
    assert seen.peak * choose_peak_scale(seen.peak) <= 65_504 / 8
