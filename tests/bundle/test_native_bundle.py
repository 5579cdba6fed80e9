"""`router-export native`: what it adds to a bundle, what it keeps exact, and that it never leaves half a bundle."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.native import PROFILES, native_checkpoint, needs_native_engine, with_a_loud_neuron
from tests.support.prompts import mixed_prompts
from vibe_router.bundle.bundle import open_bundle
from vibe_router.engines.native import library as native_library
from vibe_router.errors import CheckpointError, EngineUnavailableError, ParityError, UsageError
from vibe_router_export import export
from vibe_router_export.checkpoint.checkpoint import Checkpoint
from vibe_router_export.checkpoint.weights import Parameter
from vibe_router_export.choices import Precision, ReferenceChoice
from vibe_router_export.emit.native.file import NATIVE_FILE
from vibe_router_export.emit.quantize import MatrixFormat
from vibe_router_export.export import ExportOptions, NativeOptions, export_native, export_onnx
from vibe_router_export.proof.parity import limits_for
from vibe_router_export.proof.verify import verify_bundle
from vibe_router_export.recipes import low_precision_native

pytestmark = needs_native_engine

UNPROVEN = NativeOptions(reference=ReferenceChoice.NONE)
PROMPTS = [f"{number} {prompt}" for number, prompt in enumerate(mixed_prompts(250, seed=3))]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return native_checkpoint(tmp_path_factory.mktemp("native") / "small", profiles=PROFILES)


@pytest.fixture(scope="module")
def loud(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """What layer 1's `mlp.Wo` reads loses all but one value in int8."""
    plain = native_checkpoint(tmp_path_factory.mktemp("native") / "loud", profiles=PROFILES)
    return with_a_loud_neuron(plain, layer=1)


@pytest.fixture(scope="module")
def made(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle made with the native file from nothing; read only."""
    bundle = tmp_path_factory.mktemp("made") / "bundle"
    export_native(checkpoint, bundle, options=replace(UNPROVEN, prompts=PROMPTS))
    return bundle


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_new_bundle_has_both_engines(made: Path) -> None:
    bundle = open_bundle(made)
    bundle.check()
    engines = {engine.file: (engine.kind, engine.precision) for engine in bundle.manifest.engines}
    assert engines == {
        "onnx/model_fast.onnx": ("onnx", "fp32"),
        "onnx/model.onnx": ("portable", "fp32"),
        NATIVE_FILE: ("native", "int8"),
    }
    assert {engine.parity for engine in bundle.manifest.engines} == {None}, "numpy proves nothing"
    assert f"## Native engine: {NATIVE_FILE}" in (made / "README.md").read_text()


def test_adding_keeps_everything_else(checkpoint: Checkpoint, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    export_onnx(checkpoint, bundle, options=ExportOptions(max_tokens=32, reference=ReferenceChoice.NONE))
    before = contents(bundle)
    exported = export_native(checkpoint, bundle, options=UNPROVEN)
    after = contents(bundle)
    assert {name for name in before if after[name] != before[name]} == {"router.json", "README.md"}
    assert after["README.md"].startswith(before["README.md"].rstrip())
    assert set(after) - set(before) == {NATIVE_FILE}
    opened = open_bundle(bundle)
    opened.check()
    assert exported.manifest == opened.manifest
    assert opened.manifest.max_tokens == 32


def test_the_rest_of_the_prompts_is_compared_with_the_fp32_graph(
    checkpoint: Checkpoint, made: Path, tmp_path: Path
) -> None:
    bundle = Path(shutil.copytree(made, tmp_path / "bundle"))
    options = replace(UNPROVEN, prompts=PROMPTS, overwrite=True)
    numbers = export_native(checkpoint, bundle, options=options).written.report.numbers
    golden = numbers.prompts - len(PROMPTS)
    assert golden > 50
    assert numbers.reference == f"numpy on {golden} prompts, the fp32 graph proven equal to it on {len(PROMPTS)}"
    (graph,) = (engine for engine in open_bundle(bundle).manifest.engines if engine.kind == "onnx")
    assert graph.parity is None


def test_an_unproven_fp32_graph_that_is_wrong_judges_nothing(
    checkpoint: Checkpoint, made: Path, tmp_path: Path
) -> None:
    bundle = Path(shutil.copytree(made, tmp_path / "bundle"))
    before = contents(bundle)
    bias = checkpoint.weights.classifier.bias
    assert bias is not None
    shifted = replace(checkpoint.weights.classifier, bias=Parameter(bias.name, bias.value + np.float32(0.01)))
    # The same checkpoint, by its hash, whose bundle holds another graph.
    other = replace(checkpoint, weights=replace(checkpoint.weights, classifier=shifted))
    with pytest.raises(ParityError, match=r"apart, at most 1e-04 is allowed"):
        export_native(other, bundle, options=replace(UNPROVEN, prompts=PROMPTS, overwrite=True))
    assert contents(bundle) == before
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_proven_file_is_compared_with_pytorch_again(checkpoint: Checkpoint, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="only PyTorch proves")
    bundle = tmp_path / "bundle"
    options = NativeOptions(reference=ReferenceChoice.TRANSFORMERS, prompts=PROMPTS)
    exported = export_native(checkpoint, bundle, options=options)
    (*_, entry) = open_bundle(bundle).manifest.engines
    assert entry.parity == exported.written.report.numbers
    assert "torch" in entry.parity.reference
    assert "on 10, " not in entry.parity.reference
    assert entry.parity.reference.endswith("the fp32 graph proven equal to it on 10")
    settings: dict[str, Any] = {"engine": "native-cpu", "precision": Precision.INT8, "prompts": PROMPTS[:5]}
    report = verify_bundle(checkpoint, str(bundle), limits=limits_for(Precision.INT8), **settings)
    assert report.numbers.max_abs_logit_difference > 1e-3
    with pytest.raises(ParityError, match="apart, at most 1e-04 is allowed"):
        verify_bundle(checkpoint, str(bundle), **settings)


def test_a_bundle_without_the_file_cannot_be_verified_with_the_engine(checkpoint: Checkpoint, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="only PyTorch proves")
    bundle = tmp_path / "bundle"
    export_onnx(checkpoint, bundle, options=ExportOptions(max_tokens=32, reference=ReferenceChoice.NONE))
    with pytest.raises(EngineUnavailableError, match="has no native file of precision 'int8'"):
        verify_bundle(checkpoint, str(bundle), engine="native-cpu", precision=Precision.INT8)


def test_another_checkpoint_is_told_apart_before_anything_is_computed(
    checkpoint: Checkpoint, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vibe_router_export.proof.verify.load_engine", lambda *_: pytest.fail("an engine was loaded"))
    with pytest.raises(UsageError, match="was exported from another checkpoint"):
        verify_bundle(replace(checkpoint, sha256="0" * 64), str(made))


def test_what_is_there_is_replaced_only_when_asked_for(made: Path, checkpoint: Checkpoint, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(made, tmp_path / "bundle"))
    before = contents(bundle)
    with pytest.raises(UsageError, match="already"):
        export_native(checkpoint, bundle, options=UNPROVEN)
    assert contents(bundle) == before
    export_native(checkpoint, bundle, options=replace(UNPROVEN, overwrite=True))
    assert [engine.file for engine in open_bundle(bundle).manifest.engines] == [
        "onnx/model_fast.onnx",
        "onnx/model.onnx",
        NATIVE_FILE,
    ]
    assert (bundle / "README.md").read_text().count("## Native engine") == 1
    assert contents(bundle)[NATIVE_FILE] == before[NATIVE_FILE]


def test_the_matrix_that_int8_ruins_is_kept_and_reported(loud: Checkpoint, tmp_path: Path) -> None:
    exported = export_native(loud, tmp_path / "bundle", options=UNPROVEN)
    assert exported.written.report.numbers.flips_outside_band == 0
    (kept,) = exported.written.kept
    assert (kept.name, kept.precision) == ("model.layers.1.mlp.Wo.weight", MatrixFormat.FP32)
    assert "alone it moves the logit by" in kept.reason
    card = (tmp_path / "bundle" / "README.md").read_text()
    assert f"- `{NATIVE_FILE}` keeps `{kept.name}` in fp32: {kept.reason}." in card


def test_what_decides_otherwise_is_refused_and_nothing_is_written(
    loud: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "bundle"
    export_onnx(loud, bundle, options=ExportOptions(reference=ReferenceChoice.NONE))
    before = contents(bundle)
    monkeypatch.setattr("vibe_router_export.recipes.low_precision_native.doubling", lambda _: ())
    with pytest.raises(ParityError, match=r"no native file passes: with 0 of 17 matrices in a higher") as caught:
        export_native(loud, bundle, options=UNPROVEN)
    assert "--max-flips" in caught.value.hint
    assert contents(bundle) == before
    with pytest.raises(ParityError):
        export_native(loud, tmp_path / "new", options=UNPROVEN)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_flips_may_be_let_pass_but_prove_nothing(loud: Checkpoint, tmp_path: Path) -> None:
    exported = export_native(loud, tmp_path / "bundle", options=replace(UNPROVEN, max_flips=10_000))
    assert exported.written.kept == ()
    assert exported.written.report.numbers.flips_outside_band > 0


def test_a_bundle_of_another_checkpoint_is_refused(made: Path, tmp_path: Path) -> None:
    other = native_checkpoint(tmp_path / "other", num_hidden_layers=1)
    with pytest.raises(UsageError, match="another checkpoint"):
        export_native(other, made, options=UNPROVEN)


def test_a_bundle_that_somebody_else_changes_meanwhile_is_left_alone(
    checkpoint: Checkpoint, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Path(shutil.copytree(made, tmp_path / "bundle"))
    section = low_precision_native.native_section

    def meanwhile(*arguments: Any) -> str:
        manifest = bundle / "router.json"
        manifest.write_text(manifest.read_text().replace('"version": "1.2"', '"version": "1.3"'))
        return section(*arguments)

    monkeypatch.setattr(low_precision_native, "native_section", meanwhile)
    with pytest.raises(UsageError, match="was changed meanwhile"):
        export_native(checkpoint, bundle, options=replace(UNPROVEN, overwrite=True))
    assert open_bundle(bundle).manifest.version == "1.3"


def test_what_the_engine_cannot_run_is_refused_before_anything_is_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = native_checkpoint(tmp_path / "narrow", hidden_size=48)
    monkeypatch.setattr(export, "new_draft", None)
    with pytest.raises(CheckpointError, match="hidden_size 48 is not a multiple of 64"):
        export_native(narrow, tmp_path / "bundle", options=UNPROVEN)


def test_where_the_engine_cannot_run_nothing_is_written(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native_library, "supported_instructions", lambda: ())
    with pytest.raises(EngineUnavailableError, match="this processor has none"):
        export_native(checkpoint, tmp_path / "bundle", options=UNPROVEN)
    assert list(tmp_path.iterdir()) == []
