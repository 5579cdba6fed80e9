"""Palettes are as good as Lloyd's algorithm makes them, and compressed packages are read as coremltools reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.checkpoints import small_config, write_checkpoint
from tests.support.sequences import padded_sequences
from vibe_router_export.checkpoint.checkpoint import read_checkpoint
from vibe_router_export.choices import Layout, Target, WeightFormat
from vibe_router_export.emit.coreml.compress import nearest_palette
from vibe_router_export.fold.half_precision import HalfPrecisionFolds, fold_for_half_precision
from vibe_router_export.proof.mil_interpreter.arithmetic import Rounding

pytest.importorskip("coremltools", reason="packages are written with coremltools")

from vibe_router_export.emit.coreml.package import write_packages
from vibe_router_export.proof.mil_interpreter.interpreter import Interpreter
from vibe_router_export.proof.mil_interpreter.package import read_package

WEIGHT = np.random.default_rng(0).normal(size=(40, 30)).astype(np.float16)
BYTES_A_WEIGHT = {WeightFormat.INT8: 1.0, WeightFormat.PAL6: 6 / 8, WeightFormat.PAL4: 4 / 8}
MADE_OF = {
    (Target.MACOS14, WeightFormat.INT8): "constexpr_affine_dequantize",
    (Target.MACOS15, WeightFormat.INT8): "constexpr_blockwise_shift_scale",
}


@pytest.mark.parametrize("bits", [1, 4, 6])
def test_every_weight_takes_the_nearest_value(bits: int) -> None:
    palette, indices = nearest_palette(WEIGHT, bits=bits)
    assert palette.shape == (2**bits,)
    assert indices.shape == WEIGHT.shape
    distances = np.abs(WEIGHT.astype(np.float64)[..., None] - palette)
    np.testing.assert_allclose(
        np.take_along_axis(distances, indices[..., None].astype(int), axis=-1)[..., 0], distances.min(axis=-1)
    )


def test_a_palette_of_a_normal_distribution_has_the_known_error() -> None:
    normal = np.random.default_rng(1).normal(size=200_000).astype(np.float16)
    palette, indices = nearest_palette(normal, bits=4)
    # Max (1960), "Quantizing for minimum distortion", table I: 0.009497 for 16 levels.
    assert np.square(normal - palette[indices]).mean() == pytest.approx(0.0095, rel=0.05)


def test_few_distinct_values_are_kept_exactly() -> None:
    weight = np.array([[0, 1, 1], [-2, 0, 5]], np.float16)
    palette, indices = nearest_palette(weight, bits=4)
    np.testing.assert_array_equal(palette[indices], weight)


@pytest.mark.slow
@pytest.mark.parametrize("target", Target)
@pytest.mark.parametrize("weight_format", BYTES_A_WEIGHT)
def test_a_compressed_package_computes_with_what_coremltools_would_decompress(
    weight_format: WeightFormat, target: Target, tmp_path: Path
) -> None:
    import coremltools as ct
    import coremltools.optimize.coreml as optimize

    weights = read_checkpoint(write_checkpoint(tmp_path / "small", small_config(num_hidden_layers=1))).weights
    folded = fold_for_half_precision(weights, HalfPrecisionFolds())
    options: dict[str, Any] = {"lengths": [16], "layout": Layout.ANE, "target": Target.MACOS14}
    (path,) = write_packages(folded, tmp_path, weight_format=weight_format, **options)
    if target is Target.MACOS14:
        plain = tmp_path / "plain.mlpackage"
        model = ct.models.MLModel(str(path), skip_model_load=True)
        optimize.decompress_weights(model).save(str(plain))
    else:
        # coremltools cannot decompress several functions at once; both systems' formats hold the same numbers.
        plain = path
        (path,) = write_packages(folded, tmp_path, weight_format=weight_format, **options | {"target": target})
    ids, _ = padded_sequences(weights.config, lengths=(3, 9, 16))
    kinds = {op.kind for op in next(iter(read_package(path).functions.values())).operations}
    assert MADE_OF.get((target, weight_format), "constexpr_lut_to_dense") in kinds
    for row in ids.astype(np.int32):
        ours, theirs = (
            Interpreter(read_package(one), Rounding.HALF).run({"input_ids": row[None]})["logit"]
            for one in (path, plain)
        )
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=0.01 if target is Target.MACOS15 else 0)


@pytest.mark.slow
@pytest.mark.parametrize("weight_format", BYTES_A_WEIGHT)
def test_functions_share_compressed_weights(weight_format: WeightFormat, tmp_path: Path) -> None:
    weights = read_checkpoint(write_checkpoint(tmp_path / "small", small_config(num_hidden_layers=1))).weights
    folded = fold_for_half_precision(weights, HalfPrecisionFolds())
    sizes = []
    for lengths in ([40], [16, 32, 40]):
        (path,) = write_packages(
            folded,
            tmp_path,
            lengths=lengths,
            layout=Layout.ANE,
            target=Target.MACOS15,
            weight_format=weight_format,
        )
        sizes.append((path / "Data/com.apple.CoreML/weights/weight.bin").stat().st_size)
    matrices = 700 * 48
    assert sizes[0] > matrices * BYTES_A_WEIGHT[weight_format]
    assert sizes[1] - sizes[0] < 0.35 * matrices
