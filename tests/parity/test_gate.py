"""The parity gate catches every fault that an exporter could make, writes nothing, and says what is wrong."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.checkpoints import write_checkpoint
from tests.support.prompts import mixed_prompts
from vibe_router.bundle.manifest import Threshold
from vibe_router.errors import ParityError
from vibe_router.text.tokenizer import PromptTokenizer
from vibe_router_export import draft, first_manifest
from vibe_router_export.checkpoint.checkpoint import Checkpoint, read_checkpoint
from vibe_router_export.checkpoint.weights import Layer, LayerNorm, Linear, ModernBertWeights, Parameter
from vibe_router_export.emit.onnx.graph import OnnxGraph
from vibe_router_export.export import Exported, ExportOptions, export_onnx
from vibe_router_export.proof.cases import ProofCases, collect_cases
from vibe_router_export.proof.reference import Reference
from vibe_router_export.recipes import full_precision

pytest.importorskip("torch", reason="parity is measured against PyTorch")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return read_checkpoint(write_checkpoint(tmp_path_factory.mktemp("checkpoint") / "small"))


@pytest.fixture(scope="module")
def scored(checkpoint: Checkpoint) -> ProofCases:
    """What PyTorch says, computed once, of few prompts: the faults below are in the graph, not in the reference."""
    tokenizer = PromptTokenizer((checkpoint.folder / "tokenizer.json").read_bytes(), max_tokens=128)
    reference = Reference(checkpoint)
    few = mixed_prompts(20, seed=0)
    return collect_cases(checkpoint, tokenizer, reference=reference, prompts=few, max_tokens=128, progress=None)


@pytest.fixture
def scored_once(scored: ProofCases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draft, "collect_cases", lambda *_, **__: scored)
    monkeypatch.setattr(draft, "load_reference", lambda *_: None)


def export(checkpoint: Checkpoint, bundle: Path) -> Exported:
    return export_onnx(checkpoint, bundle, options=ExportOptions())


def change_layers(weights: ModernBertWeights, change: Callable[[Layer], Layer]) -> ModernBertWeights:
    return replace(weights, layers=tuple(change(layer) for layer in weights.layers))


def wrong_window(weights: ModernBertWeights) -> ModernBertWeights:
    def widen(layer: Layer) -> Layer:
        window = layer.pattern.window
        return replace(layer, pattern=replace(layer.pattern, window=None if window is None else window + 1))

    return change_layers(weights, widen)


def wrong_theta(weights: ModernBertWeights) -> ModernBertWeights:
    return change_layers(weights, lambda layer: replace(layer, pattern=replace(layer.pattern, rope_theta=20_000.0)))


def dropped_norm(weights: ModernBertWeights) -> ModernBertWeights:
    last = weights.layers[-1]
    return replace(weights, layers=(*weights.layers[:-1], replace(last, attention_norm=None)))


def dropped_gain(weights: ModernBertWeights) -> ModernBertWeights:
    norm = weights.final_norm
    ones = Parameter(norm.weight.name, np.ones_like(norm.weight.value))
    return replace(weights, final_norm=LayerNorm(ones, norm.bias, norm.epsilon))


def swapped_gate(weights: ModernBertWeights) -> ModernBertWeights:
    layer = weights.layers[1]
    parameter = layer.mlp_input.weight
    halves = np.split(parameter.value, 2)
    swapped = Linear(Parameter(parameter.name, np.concatenate(halves[::-1])))
    return replace(weights, layers=(weights.layers[0], replace(layer, mlp_input=swapped), *weights.layers[2:]))


def _build_with(
    fault: Callable[[ModernBertWeights], ModernBertWeights],
    build: Callable[..., OnnxGraph],
    weights: ModernBertWeights,
    *,
    max_tokens: int,
) -> OnnxGraph:
    return build(fault(weights), max_tokens=max_tokens)


FAULTS = [wrong_window, wrong_theta, dropped_norm, dropped_gain, swapped_gate]


@pytest.mark.usefixtures("scored_once")
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_planted_fault_is_caught_and_nothing_is_written(
    fault: Callable[[ModernBertWeights], ModernBertWeights],
    checkpoint: Checkpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for graph in ("build_onnx", "build_portable_onnx"):
        build = getattr(full_precision, graph)
        monkeypatch.setattr(full_precision, graph, functools.partial(_build_with, fault, build))
    with pytest.raises(ParityError) as caught:
        export(checkpoint, tmp_path / "bundle")
    assert caught.value.exit_code == 7
    assert "the reference's" in caught.value.message
    assert "apart" in caught.value.message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("scored_once")
def test_an_unfolded_temperature_is_caught(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draft, "fold_temperature", lambda weights, _: weights)
    with pytest.raises(ParityError):
        export(checkpoint, tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("scored_once")
def test_a_wrong_threshold_is_a_flip_that_names_prompt_scores_and_threshold(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        first_manifest,
        "calibrated_thresholds",
        lambda profiles, _: {name: Threshold(raw=raw, calibrated=raw) for name, raw in profiles.items()},
    )
    with pytest.raises(ParityError, match=r"decisions differ .* flips at .*: p_cloud .* instead of .*, threshold 0\."):
        export(checkpoint, tmp_path / "bundle")


def test_a_tokenizer_that_differs_is_caught(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = PromptTokenizer.encode

    def without_case(self: PromptTokenizer, prompt: str) -> object:
        return encode(self, prompt.lower())

    monkeypatch.setattr(PromptTokenizer, "encode", without_case)
    with pytest.raises(ParityError, match="token ids differ"):
        export(checkpoint, tmp_path / "bundle")


@pytest.mark.usefixtures("scored_once")
def test_an_old_bundle_survives_a_failed_export(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "bundle"
    export(checkpoint, bundle)
    before = {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()}
    monkeypatch.setattr(draft, "fold_temperature", lambda weights, _: weights)
    with pytest.raises(ParityError):
        export_onnx(checkpoint, bundle, options=ExportOptions(overwrite=True))
    assert {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()} == before
    assert list(tmp_path.iterdir()) == [bundle]


def test_a_sound_export_passes_with_room_to_spare(checkpoint: Checkpoint, tmp_path: Path) -> None:
    report = export(checkpoint, tmp_path / "bundle").report
    assert report.numbers.prompts >= 64 + 200
    assert report.numbers.max_abs_logit_difference < 1e-5
    assert report.numbers.flips == 0
    assert dataclasses.is_dataclass(report.worst)
