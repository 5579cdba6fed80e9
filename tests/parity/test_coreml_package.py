"""A saved Core ML package computes what transformers computes; in fp16 it stays near, spikes or not."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.support.checkpoints import small_config, write_checkpoint
from tests.support.sequences import padded_sequences
from vibe_router.policy import sigmoid
from vibe_router_export.checkpoint.checkpoint import Checkpoint, read_checkpoint
from vibe_router_export.checkpoint.config import parse_config
from vibe_router_export.checkpoint.weights import ModernBertWeights, arrange
from vibe_router_export.choices import Layout, Precision, Target
from vibe_router_export.emit.numpy.values import evaluate
from vibe_router_export.fold.folds import fold_temperature
from vibe_router_export.fold.half_precision import HalfPrecisionFolds, choose_residual_scale, fold_for_half_precision
from vibe_router_export.observe.activations import norm_inputs
from vibe_router_export.proof.mil_interpreter.arithmetic import Rounding
from vibe_router_export.synthetic.checkpoint import Outliers, random_tensors

pytest.importorskip("coremltools", reason="packages are written with coremltools")

from vibe_router_export.emit.coreml import operations as coreml_operations
from vibe_router_export.emit.coreml.ane import AneOperations
from vibe_router_export.emit.coreml.operations import Constants
from vibe_router_export.emit.coreml.package import write_packages
from vibe_router_export.proof.mil_interpreter.interpreter import Interpreter
from vibe_router_export.proof.mil_interpreter.package import Package, read_package

FP32_TOLERANCE = 1e-5
HALF_TOLERANCE = 2e-3
PESSIMISTIC_TOLERANCE = 5e-3
# small_config's window is 8, so the shorter length needs no window mask.
LENGTHS = (9, 40)
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "mean": {},
    "cls": {"classifier_pooling": "cls"},
    "biases": {"norm_bias": True, "attention_bias": True, "mlp_bias": True, "classifier_bias": True},
    "one-head": {"num_attention_heads": 1, "num_hidden_layers": 2},
    "odd-window": {"local_attention": 5, "local_rope_theta": 50.0},
}


def write(weights: ModernBertWeights, folder: Path, **options: Any) -> Package:
    settings = {"lengths": LENGTHS, "layout": Layout.ANE, "target": Target.MACOS15} | options
    folder.mkdir()
    (path,) = write_packages(weights, folder, **settings)
    return read_package(path)


def scores(package: Package, weights: ModernBertWeights, rounding: Rounding, *, tokens: int) -> tuple[Any, Any]:
    """Return the package's logits and p_cloud, each [4], of sequences of 2, 5, 8 and `tokens` ids."""
    ids, _ = padded_sequences(weights.config, lengths=(2, 5, 8, tokens), width=tokens)
    interpreter = Interpreter(package, rounding)
    rows = [interpreter.run({"input_ids": row[None].astype(np.int32)}, function=f"tokens_{tokens}") for row in ids]
    return np.array([row["logit"][0, 0] for row in rows]), np.array([row["p_cloud"][0, 0] for row in rows])


def expected_logits(weights: ModernBertWeights, *, tokens: int) -> Any:
    return evaluate(weights, *padded_sequences(weights.config, lengths=(2, 5, 8, tokens), width=tokens))


# The two poolings; a program of each takes seconds to write.
_IN_DEFAULT = ("mean", "cls")


@pytest.fixture(
    params=[pytest.param(name, marks=() if name in _IN_DEFAULT else pytest.mark.slow) for name in CONFIGURATIONS]
)
def configuration(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def checkpoint(configuration: str, tmp_path: Path) -> Checkpoint:
    return read_checkpoint(write_checkpoint(tmp_path / "small", small_config(**CONFIGURATIONS[configuration])))


@pytest.mark.parametrize("layout", Layout)
def test_fp32_package_equals_transformers(
    configuration: str, checkpoint: Checkpoint, layout: Layout, tmp_path: Path
) -> None:
    pytest.importorskip("torch", reason="parity is measured against PyTorch")
    from vibe_router_export.proof.reference import Reference

    torch_model = Reference(checkpoint)
    folded = fold_for_half_precision(checkpoint.weights, HalfPrecisionFolds(residual_scale=2.0**-4))
    # Only one configuration needs both lengths, the one without a window mask and the one with.
    lengths = LENGTHS if configuration == "mean" else LENGTHS[1:]
    package = write(folded, tmp_path / "out", layout=layout, precision=Precision.FP32, lengths=lengths)
    for tokens in lengths:
        ids, mask = padded_sequences(checkpoint.config, lengths=(2, 5, 8, tokens), width=tokens)
        expected = [torch_model.logit(row[: kept.sum()].tolist()) for row, kept in zip(ids, mask, strict=True)]
        logits, p_cloud = scores(package, checkpoint.weights, Rounding.EXACT, tokens=tokens)
        np.testing.assert_allclose(logits, expected, rtol=0, atol=FP32_TOLERANCE)
        np.testing.assert_allclose(p_cloud, [sigmoid(float(z)) for z in logits], rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("layout", Layout)
def test_unfolded_weights_are_emitted_as_they_are(layout: Layout, tmp_path: Path) -> None:
    weights = read_checkpoint(write_checkpoint(tmp_path / "small")).weights
    package = write(weights, tmp_path / "out", layout=layout, precision=Precision.FP32, lengths=[16])
    logits, _ = scores(package, weights, Rounding.EXACT, tokens=16)
    np.testing.assert_allclose(logits, expected_logits(weights, tokens=16), rtol=0, atol=FP32_TOLERANCE)


@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize(
    "outliers", [pytest.param(None, id="plain", marks=pytest.mark.slow), pytest.param(Outliers(), id="outliers")]
)
def test_fp16_package_stays_within_its_bounds(outliers: Outliers | None, layout: Layout, tmp_path: Path) -> None:
    weights = spiking_weights(outliers)
    met = norm_inputs(weights, *padded_sequences(weights.config, lengths=(2, 5, 8, 40)))
    scale = choose_residual_scale(met.sum_of_squares)
    assert (scale < 1) == (outliers is not None)
    folded = fold_for_half_precision(fold_temperature(weights, 1.083), HalfPrecisionFolds(residual_scale=scale))
    package = write(folded, tmp_path / "out", layout=layout)
    for tokens in LENGTHS:
        expected = [sigmoid(float(z) / 1.083) for z in expected_logits(weights, tokens=tokens)]
        _, half = scores(package, weights, Rounding.HALF, tokens=tokens)
        np.testing.assert_allclose(half, expected, rtol=0, atol=HALF_TOLERANCE)
        _, pessimistic = scores(package, weights, Rounding.PESSIMISTIC, tokens=tokens)
        np.testing.assert_allclose(pessimistic, expected, rtol=0, atol=PESSIMISTIC_TOLERANCE)


def test_adding_up_writes_apart_lessens_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    # Arrays take the place of a program's variables, so that adding rounds as fp16 does.
    monkeypatch.setattr(coreml_operations, "mb", SimpleNamespace(add=lambda x, y: x + y))
    random = np.random.default_rng(0)
    residual = random.standard_normal(768).astype(np.float16)
    writes = (0.05 * random.standard_normal((44, 768))).astype(np.float16)
    exact = residual + writes.sum(axis=0, dtype=np.float64)
    errors = []
    for block in (1, coreml_operations._BLOCK):
        monkeypatch.setattr(coreml_operations, "_BLOCK", block)
        config = parse_config(json.dumps(small_config()))
        operations = AneOperations(config, tokens=8, constants=Constants(Precision.FP16), input_ids=None)
        total = residual
        for one in writes:
            total = operations.add(total, one)
        errors.append(float(np.sqrt(np.square(total - exact).mean())))
    assert errors[1] < 0.6 * errors[0]


def test_without_the_folds_spikes_overflow(tmp_path: Path) -> None:
    weights = spiking_weights(Outliers())
    package = write(weights, tmp_path / "out", lengths=[9])
    _, p_cloud = scores(package, weights, Rounding.PESSIMISTIC, tokens=9)
    expected = np.array([sigmoid(float(z)) for z in expected_logits(weights, tokens=9)])
    assert not np.abs(p_cloud - expected).max() <= 10 * PESSIMISTIC_TOLERANCE


@pytest.mark.slow
def test_functions_share_one_set_of_weights(tmp_path: Path) -> None:
    weights = spiking_weights(None)
    several = write(weights, tmp_path / "several", lengths=[16, 32, 40])
    one = write(weights, tmp_path / "one", lengths=[40])
    assert set(several.functions) == {"tokens_16", "tokens_32", "tokens_40"}
    assert several.default == "tokens_40"
    # Tables and masks differ a length, parameters must not: of this model they are 200 kB.
    parameters = 2 * sum(tensor.size for tensor in random_tensors(weights.config, seed=0).values())
    assert weight_bytes(one) > parameters
    assert weight_bytes(several) - weight_bytes(one) < 0.1 * parameters


@pytest.mark.slow
def test_macos_14_gets_a_package_a_length(tmp_path: Path) -> None:
    weights = spiking_weights(None)
    (tmp_path / "out").mkdir()
    paths = write_packages(weights, tmp_path / "out", lengths=[16, 9], layout=Layout.ANE, target=Target.MACOS14)
    assert [path.name for path in paths] == ["VibeRouter-16.mlpackage", "VibeRouter-9.mlpackage"]
    for path, tokens in zip(paths, (16, 9), strict=True):
        package = read_package(path)
        (function,) = package.functions.values()
        assert (function.name, function.inputs["input_ids"].shape) == ("main", (1, tokens))
        # The version of Core ML that came with macOS 14.
        assert package.specification == 8


def test_the_mask_is_derived_from_the_padding_id(tmp_path: Path) -> None:
    weights = spiking_weights(None, layers=1)
    interpreter = Interpreter(write(weights, tmp_path / "out", lengths=[16]), Rounding.HALF)
    ids, _ = padded_sequences(weights.config, lengths=(5,), width=16)
    row = ids.astype(np.int32)
    padded = interpreter.run({"input_ids": row})["logit"][0, 0]
    row[0, 10:] = weights.config.cls_token_id
    assert interpreter.run({"input_ids": row})["logit"][0, 0] != padded


def test_writing_says_nothing_to_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(spiking_weights(None, layers=1), tmp_path / "out", lengths=[9])
    assert capfd.readouterr() == ("", "")


def spiking_weights(outliers: Outliers | None, *, layers: int = 4) -> ModernBertWeights:
    config = parse_config(json.dumps(small_config(num_hidden_layers=layers)))
    return arrange(config, random_tensors(config, seed=0, outliers=outliers))


def weight_bytes(package: Package) -> int:
    return (package.path / "Data/com.apple.CoreML/weights/weight.bin").stat().st_size
