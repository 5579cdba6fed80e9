"""The project's interpreter and one of other parts, coremltools' loader with torch, agree on saved packages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.checkpoints import small_config, write_checkpoint
from tests.support.sequences import padded_sequences
from vibe_router_export.checkpoint.checkpoint import read_checkpoint
from vibe_router_export.checkpoint.weights import ModernBertWeights
from vibe_router_export.choices import Layout, Precision, Target, WeightFormat
from vibe_router_export.fold.half_precision import HalfPrecisionFolds, fold_for_half_precision
from vibe_router_export.proof.mil_interpreter.arithmetic import Rounding
from vibe_router_export.synthetic.checkpoint import Outliers

pytest.importorskip("coremltools", reason="packages are written with coremltools")
pytest.importorskip("torch", reason="the second interpreter computes with torch")

from tests.support.torch_program import TorchProgram
from vibe_router_export.emit.coreml.package import write_packages
from vibe_router_export.proof.mil_interpreter.interpreter import Interpreter
from vibe_router_export.proof.mil_interpreter.package import read_package

TOLERANCE = 2e-5
FOLDS = HalfPrecisionFolds(residual_scale=2.0**-4)


def compare(weights: ModernBertWeights, folder: Path, **options: Any) -> None:
    """Write packages and run every function in both interpreters, on short, middling and full sequences."""
    folder.mkdir()
    (package,) = write_packages(weights, folder, **options)
    ours, theirs = Interpreter(read_package(package), Rounding.EXACT), TorchProgram(package)
    assert set(ours.package.functions) == set(theirs.functions)
    logits = []
    for name, function in ours.package.functions.items():
        tokens = int(function.inputs["input_ids"].shape[1] or 0)
        ids, _ = padded_sequences(weights.config, lengths=(3, tokens // 2 + 1, tokens), width=tokens)
        for row in ids.astype(np.int32):
            one = ours.run({"input_ids": row[None]}, function=name)
            other = theirs.run(name, row[None])
            assert set(one) == set(other) == {"logit", "p_cloud"}
            for output, value in one.items():
                np.testing.assert_allclose(value, other[output], rtol=0, atol=TOLERANCE)
            logits.append(float(one["logit"][0, 0]))
    assert np.std(logits) > 0.01, "a constant function would prove nothing"


@pytest.mark.parametrize(
    ("layout", "target", "weight_format", "changes"),
    [
        (Layout.ANE, Target.MACOS15, WeightFormat.INT8, {"classifier_pooling": "cls"}),
        pytest.param(Layout.ANE, Target.MACOS14, WeightFormat.PAL6, {}, marks=pytest.mark.slow),
        (Layout.GPU, Target.MACOS14, WeightFormat.INT8, {"norm_bias": True, "mlp_bias": True, "attention_bias": True}),
        pytest.param(Layout.GPU, Target.MACOS15, WeightFormat.PAL4, {"norm_eps": 1e-2}, marks=pytest.mark.slow),
    ],
)
def test_small_packages(
    layout: Layout, target: Target, weight_format: WeightFormat, changes: dict[str, Any], tmp_path: Path
) -> None:
    config = small_config(num_hidden_layers=2, **changes)
    weights = read_checkpoint(write_checkpoint(tmp_path / "small", config)).weights
    lengths = [9, 40] if target is Target.MACOS15 else [40]
    compare(
        fold_for_half_precision(weights, FOLDS),
        tmp_path / "out",
        lengths=lengths,
        layout=layout,
        target=target,
        weight_format=weight_format,
    )


def test_weights_as_they_are_in_fp32(tmp_path: Path) -> None:
    config = small_config(num_hidden_layers=2, norm_bias=True, classifier_bias=True)
    weights = read_checkpoint(write_checkpoint(tmp_path / "small", config)).weights
    options = {"layout": Layout.ANE, "target": Target.MACOS15, "precision": Precision.FP32}
    compare(weights, tmp_path / "out", lengths=[16], **options)


@pytest.mark.slow
@pytest.mark.parametrize("weight_format", WeightFormat)
def test_nano_with_four_lengths(weight_format: WeightFormat, tmp_path: Path) -> None:
    nano = {"hidden_size": 192, "intermediate_size": 288, "num_attention_heads": 3, "num_hidden_layers": 4}
    config = small_config(**nano, local_attention=128, max_position_embeddings=512)
    weights = read_checkpoint(write_checkpoint(tmp_path / "nano", config, outliers=Outliers())).weights
    compare(
        fold_for_half_precision(weights, FOLDS),
        tmp_path / "out",
        lengths=[64, 128, 256, 512],
        layout=Layout.ANE,
        target=Target.MACOS15,
        weight_format=weight_format,
    )
