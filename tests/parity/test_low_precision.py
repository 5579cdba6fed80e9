"""Low precision decides as fp32 does: spikes are found by name and kept exact, and what still flips is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.checkpoints import small_config, write_checkpoint
from tests.support.prompts import mixed_prompts
from tests.support.sequences import unpadded
from vibe_router import Router
from vibe_router.bundle.bundle import open_bundle
from vibe_router.bundle.manifest import Threshold
from vibe_router.engines.onnx.cpu import OnnxCpuEngine
from vibe_router.engines.select import is_proven
from vibe_router.errors import ParityError
from vibe_router.verify import verify
from vibe_router_export.checkpoint.checkpoint import Checkpoint, read_checkpoint
from vibe_router_export.choices import Precision, ReferenceChoice
from vibe_router_export.emit.numpy.quantized import evaluate_quantized
from vibe_router_export.emit.numpy.values import evaluate
from vibe_router_export.emit.onnx.file import write_onnx
from vibe_router_export.emit.onnx.graph import build_onnx
from vibe_router_export.emit.quantize import MatrixFormat, encoder_linears
from vibe_router_export.export import Exported, ExportOptions, export_onnx
from vibe_router_export.first_manifest import Claims
from vibe_router_export.observe.spikes import input_ranges
from vibe_router_export.proof.parity import Case, failure, limits_for, measure
from vibe_router_export.recipes import low_precision_onnx
from vibe_router_export.recipes.files import MODEL_FILES
from vibe_router_export.synthetic.checkpoint import Outliers

SPIKING = "model.layers.2.mlp.Wo.weight"
PROMPTS = mixed_prompts(260, seed=3)
# Many thresholds, so that a wrong score is a wrong decision somewhere.
PROFILES = {f"above-{tenth}": tenth / 10 for tenth in range(2, 10)}
UNPROVEN = ExportOptions(
    reference=ReferenceChoice.NONE, prompts=PROMPTS, claims=Claims(profiles=PROFILES, temperature=1.0)
)


def random_sequences(checkpoint: Checkpoint) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    config = checkpoint.config
    sequences = [random.integers(0, config.vocabulary_size, length) for length in random.integers(3, 60, 24)]
    for sequence in sequences:
        sequence[0], sequence[-1] = config.cls_token_id, config.sep_token_id
    return sequences


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return read_checkpoint(write_checkpoint(tmp_path_factory.mktemp("plain") / "small"))


@pytest.fixture(scope="module")
def spiked(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """Layer 2 writes 3,000 into three channels at the first token."""
    folder = tmp_path_factory.mktemp("spiked") / "small"
    return read_checkpoint(write_checkpoint(folder, outliers=Outliers(peak=3_000.0)))


def root_mean_square(first: list[float], second: list[float]) -> float:
    return float(np.sqrt(np.square(np.subtract(first, second)).mean()))


@pytest.mark.parametrize("matrix_format", [MatrixFormat.INT8, MatrixFormat.INT8_BLOCKS, MatrixFormat.INT4])
@pytest.mark.parametrize("biases", [False, True], ids=["no biases", "biases"])
def test_the_graph_rounds_as_the_plan_says(biases: bool, matrix_format: MatrixFormat, tmp_path: Path) -> None:
    keys = ("norm_bias", "attention_bias", "mlp_bias", "classifier_bias")
    config = small_config(**dict.fromkeys(keys, biases))
    checkpoint = read_checkpoint(write_checkpoint(tmp_path / "small", config))
    plan = {linear.weight.name: matrix_format for linear in encoder_linears(checkpoint.weights)}
    plan[checkpoint.weights.token_embedding.name] = MatrixFormat.INT8
    write_onnx(build_onnx(checkpoint.weights, max_tokens=128, plan=plan), tmp_path / "model.onnx")
    engine = OnnxCpuEngine(tmp_path / "model.onnx", file="model.onnx", precision="int8", pad_token_id=0, threads=1)
    rounded, emulated, exact = [], [], []
    # Alone: what padding computes differs, nobody reads it, but in int8 it is in the range.
    for ids in random_sequences(checkpoint):
        row, mask = ids[None], np.ones((1, len(ids)), np.int64)
        rounded += engine.logits(unpadded(row, mask)).tolist()
        emulated += evaluate_quantized(checkpoint.weights, row, mask, plan=plan).tolist()
        exact += evaluate(checkpoint.weights, row, mask).tolist()
    rounding = root_mean_square(rounded, exact)
    assert rounding > 0.01, "nothing was rounded"
    # Not equal: a value next to half a step goes up here and down there.
    assert root_mean_square(rounded, emulated) < 0.3 * rounding


def test_a_spiking_input_is_found_by_name_and_only_that(plain: Checkpoint, spiked: Checkpoint) -> None:
    for checkpoint, expected in ((plain, []), (spiked, [SPIKING])):
        pad_token_id = checkpoint.config.pad_token_id
        ranges = input_ranges(checkpoint.weights, random_sequences(checkpoint), pad_token_id=pad_token_id)
        assert len(ranges) == 4 * len(checkpoint.config.layers)
        assert [item.name for item in ranges if item.spiking] == expected
    worst = max(ranges, key=lambda item: item.error)
    assert worst.tensor > 5 * worst.token


@pytest.fixture(scope="module")
def remedied(spiked: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Exported]:
    bundle = tmp_path_factory.mktemp("remedied") / "bundle"
    return bundle, export_onnx(spiked, bundle, options=replace(UNPROVEN, precisions=[Precision.INT8]))


def test_the_spiking_matrix_is_kept_and_reported(remedied: tuple[Path, Exported]) -> None:
    bundle, exported = remedied
    (graph,) = exported.low_precision
    assert graph.report.numbers.flips_outside_band == 0
    assert graph.report.numbers.prompts > len(set(PROMPTS))
    assert [(one.name, one.precision) for one in graph.kept] == [(SPIKING, MatrixFormat.FP32)]
    assert "its input spans" in graph.kept[0].reason
    assert SPIKING in (bundle / "README.md").read_text()


def test_all_int8_with_a_spike_fails_and_the_ranking_finds_the_same_matrix(
    spiked: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(low_precision_onnx, "input_ranges", lambda *_, **__: ())
    monkeypatch.setattr(low_precision_onnx, "MOST_KEPT", 0.0)
    # Four layers lose less to one flattened matrix than twenty-two do, so the gate looks closer.
    profiles = {f"above-{step}": step / 40 for step in range(8, 37)}
    claims = Claims(profiles=profiles, temperature=1.0)
    options = replace(UNPROVEN, precisions=[Precision.INT8], claims=claims, band=0.013)
    exported = export_onnx(spiked, tmp_path / "bundle", options=options)
    (graph,) = exported.low_precision
    assert [one.name for one in graph.kept] == [SPIKING]
    assert "moves the logit" in graph.kept[0].reason

    monkeypatch.setattr(low_precision_onnx, "doubling", lambda _: ())
    with pytest.raises(ParityError, match=r"no int8 graph passes: with 0 of 17 matrices in a higher precision"):
        export_onnx(spiked, tmp_path / "refused", options=options)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_what_cannot_be_remedied_is_refused_and_nothing_is_written(plain: Checkpoint, tmp_path: Path) -> None:
    options = replace(UNPROVEN, precisions=[Precision.FP32, Precision.INT4])
    with pytest.raises(ParityError, match=r"outside the band of 0\.02, at most 0 may") as caught:
        export_onnx(plain, tmp_path / "bundle", options=options)
    assert caught.value.exit_code == 7
    assert "--max-flips" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def bundle(plain: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All precisions; int4 with more flips than would make it proven."""
    pytest.importorskip("torch", reason="only PyTorch proves")
    folder = tmp_path_factory.mktemp("several") / "bundle"
    options = ExportOptions(
        precisions=list(Precision), prompts=PROMPTS, claims=Claims(profiles=PROFILES), max_flips=10_000
    )
    export_onnx(plain, folder, options=options)
    return folder


def test_one_bundle_holds_several_precisions_under_the_names_others_look_for(bundle: Path) -> None:
    opened = open_bundle(bundle)
    files = {file.precision: file for file in opened.manifest.engines if file.kind == "onnx"}
    assert {name: file.file for name, file in files.items()} == {
        precision.value: MODEL_FILES[precision] for precision in Precision
    }
    sizes = {name: opened.manifest.files[file.file].bytes for name, file in files.items()}
    assert sizes["int4"] < sizes["int8"] < 0.5 * sizes["fp32"]
    numbers = files["int8"].parity
    assert numbers is not None
    assert numbers.flips_by_profile is not None
    assert sum(numbers.flips_by_profile.values()) == numbers.flips
    assert set(numbers.flips_by_profile) == set(opened.manifest.thresholds)
    assert numbers.percentile_99_abs_probability_difference is not None
    assert 0 < numbers.percentile_99_abs_probability_difference <= numbers.max_abs_probability_difference
    assert "the fp32 graph proven equal to it" in numbers.reference


def test_auto_takes_int8_and_it_verifies(bundle: Path) -> None:
    with Router.load(bundle, threads=1) as router:
        assert router.engine.precision == "int8"
        report = verify(router)
    assert report.passed
    assert report.tolerance is None
    assert report.max_abs_logit_difference > 1e-4


def test_an_exported_int8_graph_is_compared_with_pytorch_again(bundle: Path, plain: Checkpoint) -> None:
    from vibe_router_export.proof.verify import verify_bundle

    limits = limits_for(Precision.INT8)
    report = verify_bundle(plain, str(bundle), precision=Precision.INT8, limits=limits, prompts=PROMPTS[:5])
    assert "torch" in report.numbers.reference
    assert report.numbers.max_abs_logit_difference > 1e-3
    with pytest.raises(ParityError, match="apart, at most 1e-04 is allowed"):
        verify_bundle(plain, str(bundle), precision=Precision.INT8, prompts=PROMPTS[:5])


def test_flips_that_were_let_pass_leave_a_graph_unproven(bundle: Path) -> None:
    files = {file.precision: file for file in open_bundle(bundle).manifest.engines if file.kind == "onnx"}
    assert [is_proven(files[name]) for name in ("fp32", "int8", "int4")] == [True, True, False]


def test_a_bundle_of_int8_alone_routes_and_verifies(remedied: tuple[Path, Exported]) -> None:
    bundle, _ = remedied
    names = {path.name for path in (bundle / "onnx").iterdir()}
    assert names == {"model_quantized.onnx", "model_quantized_fast.onnx"}
    with Router.load(bundle, precision="int8", threads=1) as router:
        assert verify(router).passed


class Batches:
    """An engine that is right alone and off by `error` in batches."""

    name = file = precision = "test"
    batch_band = 0.0

    def __init__(self, error: float) -> None:
        self.error = error

    def logits(self, sequences: Sequence[np.ndarray]) -> np.ndarray:
        return np.full(len(sequences), 0.01 if len(sequences) == 1 else 0.01 + self.error, np.float32)

    def close(self) -> None:
        """Nothing to release."""


@pytest.mark.parametrize(
    ("error", "band", "flips", "outside"),
    # 0.01 is sigmoid's 0.5025; below 0 it is decided otherwise, by the batch's score only if that leaves the band.
    [(-0.005, 0.02, 0, 0), (-0.05, 0.02, 0, 0), (-0.2, 0.02, 1, 0), (-0.2, 0.001, 1, 1), (-0.05, 0.0, 1, 1)],
)
def test_a_flip_counts_that_only_batches_show(error: float, band: float, flips: int, outside: int) -> None:
    cases = [Case(str(number), np.array([1, 2]), 0.01) for number in range(3)]
    thresholds = {"even": Threshold(raw=0.5, calibrated=0.5), "high": Threshold(raw=0.9, calibrated=0.9)}
    report = measure(Batches(error), cases, temperature=1.0, thresholds=thresholds, reference="test", band=band)
    numbers = report.numbers
    assert numbers.flips_by_profile == {"even": 3 * flips, "high": 0}
    assert (numbers.flips, numbers.flips_outside_band) == (3 * flips, 3 * outside)
    for allowed in (0, 3):
        error_found = failure(report, limits_for(Precision.INT8, band=band, max_flips=allowed), temperature=1.0)
        assert (error_found is None) == (3 * outside <= allowed)


def test_parity_numbers_of_older_manifests_are_read(bundle: Path) -> None:
    from vibe_router.bundle.manifest import dump_manifest, parse_manifest

    data = json.loads(dump_manifest(open_bundle(bundle).manifest))
    for engine in data["engines"]:
        del engine["parity"]["flips_by_profile"], engine["parity"]["percentile_99_abs_probability_difference"]
    engines = parse_manifest(json.dumps(data)).engines
    assert all(file.parity is not None and file.parity.flips_by_profile is None for file in engines)
