"""`router-export coreml`: what it adds to a bundle, what it refuses, and that it never leaves half a bundle."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.checkpoints import small_config, write_checkpoint
from vibe_router import Router
from vibe_router.bundle.bundle import open_bundle
from vibe_router.engines import select
from vibe_router.engines.coreml import models as coreml_models
from vibe_router.errors import ParityError, UsageError, VibeRouterError
from vibe_router.verify import read_golden
from vibe_router_export.checkpoint.checkpoint import Checkpoint, read_checkpoint
from vibe_router_export.checkpoint.weights import Parameter
from vibe_router_export.choices import ReferenceChoice, Target, WeightFormat
from vibe_router_export.export import ExportOptions, export_onnx
from vibe_router_export.proof.cases import ProofCases
from vibe_router_export.proof.parity import HALF_PRECISION_P_DIFFERENCE, Case

pytest.importorskip("coremltools", reason="packages are written with coremltools")

from vibe_router_export.export import CoreMLOptions, export_coreml
from vibe_router_export.proof.coreml_gate import gate_packages
from vibe_router_export.proof.mil_interpreter.arithmetic import Rounding
from vibe_router_export.proof.mil_interpreter.program import InterpretedProgram

PACKAGE = "coreml/VibeRouter.mlpackage"
OPTIONS = CoreMLOptions(lengths=(32, 16), reference=ReferenceChoice.NONE)
# Writing a program takes seconds; what is refused, and what is kept, does not depend on their number.
ONE_LENGTH = replace(OPTIONS, lengths=(32,))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder = tmp_path_factory.mktemp("checkpoint") / "small"
    return read_checkpoint(write_checkpoint(folder, small_config(num_hidden_layers=2)))


@pytest.fixture(scope="module")
def made(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle made with Core ML from nothing; read only."""
    bundle = tmp_path_factory.mktemp("made") / "bundle"
    export_coreml(checkpoint, bundle, options=OPTIONS)
    return bundle


@pytest.fixture(scope="module")
def with_onnx(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle without Core ML; read only."""
    bundle = tmp_path_factory.mktemp("with-onnx") / "bundle"
    export_onnx(checkpoint, bundle, options=ExportOptions(max_tokens=32, reference=ReferenceChoice.NONE))
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
        PACKAGE: ("coreml", "fp16"),
    }
    assert bundle.manifest.max_tokens == 32
    assert "coremltools" in bundle.manifest.provenance.versions
    assert f"## Core ML: {PACKAGE}" in (made / "README.md").read_text()


def test_the_runtime_decides_the_same_with_either_engine(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interpret(bundle: Any, file: Any, *, engine: str) -> InterpretedProgram:
        assert engine == "coreml"
        return InterpretedProgram([bundle.folder / file.file], Rounding.HALF)

    monkeypatch.setattr(select.sys, "platform", "darwin")
    monkeypatch.setattr(coreml_models, "load_programs", interpret)
    prompts = ["hi", "word " * 12, "word " * 300]
    with (
        Router.load(made, engine="coreml", precision="fp16") as with_coreml,
        Router.load(made, engine="onnx-cpu") as with_onnx,
    ):
        pairs = [(with_coreml.route(prompt), with_onnx.route(prompt)) for prompt in prompts]
    assert {pair[0].engine for pair in pairs} == {"coreml"}
    for on_coreml, on_onnx in pairs:
        assert on_coreml.p_cloud == pytest.approx(on_onnx.p_cloud, abs=2e-3)
        assert on_coreml.target == on_onnx.target


def test_adding_keeps_everything_else(checkpoint: Checkpoint, with_onnx: Path, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(with_onnx, tmp_path / "bundle"))
    before = contents(bundle)
    exported = export_coreml(checkpoint, bundle, options=ONE_LENGTH)
    after = contents(bundle)
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {"router.json", "README.md"}
    assert after["README.md"].startswith(before["README.md"].rstrip())
    assert {name.split("/")[0] for name in set(after) - set(before)} == {"coreml"}
    open_bundle(bundle).check()
    assert exported.manifest == open_bundle(bundle).manifest


@pytest.mark.slow
def test_the_same_checkpoint_gives_the_same_bytes(checkpoint: Checkpoint, tmp_path: Path) -> None:
    import os
    import subprocess
    import sys

    # Each in a process of its own: the order of protobuf's maps follows from where a process is loaded.
    arguments = ["coreml", str(checkpoint.folder), "--lengths", "16", "--reference", "none", "--json"]
    code = "from vibe_router_export.cli import main; main()"
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000", "PYTHONPATH": os.pathsep.join(sys.path)}
    for name in ("first", "second"):
        command = [sys.executable, "-c", code, *arguments, "-o", str(tmp_path / name)]
        subprocess.run(command, check=True, capture_output=True, env=environment)
    first, second = contents(tmp_path / "first"), contents(tmp_path / "second")
    assert [name for name in first if first[name] != second.get(name)] == []
    assert len(first) == len(second)


@pytest.mark.slow
def test_packages_of_both_targets_live_side_by_side(made: Path, checkpoint: Checkpoint, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(made, tmp_path / "bundle"))
    export_coreml(checkpoint, bundle, options=replace(OPTIONS, target=Target.MACOS14))
    manifest = open_bundle(bundle).manifest
    assert [engine.file for engine in manifest.engines] == [
        "onnx/model_fast.onnx",
        "onnx/model.onnx",
        PACKAGE,
        "coreml/macos14",
    ]
    assert sorted(path.name for path in (bundle / "coreml/macos14").iterdir()) == [
        "VibeRouter-16.mlpackage",
        "VibeRouter-32.mlpackage",
    ]


@pytest.mark.slow
def test_what_is_there_is_replaced_only_when_asked_for(made: Path, checkpoint: Checkpoint, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(made, tmp_path / "bundle"))
    before = contents(bundle)
    with pytest.raises(UsageError, match="already"):
        export_coreml(checkpoint, bundle, options=OPTIONS)
    assert contents(bundle) == before
    export_coreml(checkpoint, bundle, options=replace(OPTIONS, lengths=(32,), overwrite=True))
    manifest = open_bundle(bundle).manifest
    assert [engine.file for engine in manifest.engines] == ["onnx/model_fast.onnx", "onnx/model.onnx", PACKAGE]
    assert (bundle / "README.md").read_text().count("## Core ML") == 1
    assert InterpretedProgram([bundle / PACKAGE], Rounding.HALF).lengths == [32]


@pytest.mark.parametrize(
    ("lengths", "message"),
    [((), "not all between"), ((4, 32), "not all between"), ((32, 4096), "not all between"), ((16,), "the longest")],
)
def test_lengths_that_make_no_sense_are_refused(
    checkpoint: Checkpoint, with_onnx: Path, lengths: tuple[int, ...], message: str
) -> None:
    before = contents(with_onnx)
    with pytest.raises(UsageError, match=message):
        export_coreml(checkpoint, with_onnx, options=replace(OPTIONS, lengths=lengths))
    assert contents(with_onnx) == before


def test_a_bundle_of_another_checkpoint_is_refused(made: Path, tmp_path: Path) -> None:
    other = read_checkpoint(write_checkpoint(tmp_path / "other", small_config(num_hidden_layers=1)))
    with pytest.raises(UsageError, match="another checkpoint"):
        export_coreml(other, made, options=OPTIONS)


def test_packages_that_decide_otherwise_are_not_written(
    checkpoint: Checkpoint, with_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vibe_router_export.recipes import coreml as coreml_recipe

    def wrong(weights: Any, folds: Any) -> Any:
        folded = fold(weights, folds)
        bias = folded.classifier.bias
        shifted = Parameter(bias.name, bias.value + np.float32(0.5))
        return replace(folded, classifier=replace(folded.classifier, bias=shifted))

    fold = coreml_recipe.fold_for_half_precision
    monkeypatch.setattr(coreml_recipe, "fold_for_half_precision", wrong)
    bundle = Path(shutil.copytree(with_onnx, tmp_path / "bundle"))
    before = contents(bundle)
    with pytest.raises(ParityError):
        export_coreml(checkpoint, bundle, options=ONE_LENGTH)
    assert contents(bundle) == before
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_packages_that_overflow_are_not_written(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    from vibe_router_export.recipes import coreml as coreml_recipe

    scaled_up = replace(
        checkpoint.weights.classifier,
        weight=Parameter("classifier.weight", checkpoint.weights.classifier.weight.value * np.float32(1e5)),
    )
    fold = coreml_recipe.fold_for_half_precision
    monkeypatch.setattr(
        coreml_recipe,
        "fold_for_half_precision",
        lambda weights, folds: fold(replace(weights, classifier=scaled_up), folds),
    )
    with pytest.raises(ParityError, match="not one finite logit"):
        export_coreml(checkpoint, tmp_path / "bundle", options=ONE_LENGTH)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("limit", "message"),
    [("_LARGEST_P_DIFFERENCE", "off in fp16;"), ("_LARGEST_PESSIMISTIC_P_DIFFERENCE", "sums in fp16 too;")],
)
def test_packages_whose_scores_are_too_far_off_are_not_written(
    made: Path, monkeypatch: pytest.MonkeyPatch, limit: str, message: str
) -> None:
    from vibe_router_export.proof import coreml_gate

    cases = ProofCases(tuple(golden_cases(made)[:8]), (), 8, None)
    settings: dict[str, Any] = {"file": PACKAGE, "weight_format": WeightFormat.FP16, "every_prompt": True}
    manifest = open_bundle(made).manifest
    passed = gate_packages([made / PACKAGE], cases, manifest, **settings)
    assert 0 < passed.half.numbers.max_abs_probability_difference <= HALF_PRECISION_P_DIFFERENCE
    assert passed.pessimistic.numbers.prompts == 4
    monkeypatch.setattr(coreml_gate, limit, 0.0)
    with pytest.raises(ParityError, match=message):
        gate_packages([made / PACKAGE], cases, manifest, **settings)
    gate_packages([made / PACKAGE], cases, manifest, **settings | {"weight_format": WeightFormat.INT8})


def golden_cases(bundle: Path) -> list[Case]:
    opened = open_bundle(bundle)
    temperature = opened.manifest.calibration.temperature
    return [Case(one.prompt, np.array(one.input_ids), temperature * one.logit) for one in read_golden(opened)]


def test_packages_that_would_leave_the_neural_engine_are_not_written(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vibe_router_export.emit.coreml.lint.LARGEST_RANK", 3)
    with pytest.raises(VibeRouterError, match="would leave the Neural Engine"):
        export_coreml(checkpoint, tmp_path / "bundle", options=ONE_LENGTH)
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_json_and_nothing_else(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import sys

    from vibe_router_export.cli import build_app

    source = write_checkpoint(tmp_path / "small", small_config(num_hidden_layers=1))
    arguments = ["coreml", str(source), "-o", str(tmp_path / "bundle"), "--lengths", "16", "--reference", "none"]
    build_app()([*arguments, "--json"], standalone_mode=False)
    captured = capfd.readouterr()
    summary = json.loads(captured.out)
    assert captured.err == "" or not sys.stderr.isatty()
    assert summary["file"] == PACKAGE
    assert summary["proven"] is False
    assert summary["parity"]["flips_outside_band"] == 0
    (placement,) = summary["placement"]
    assert placement["violations"] == []

    build_app()(["lint", str(tmp_path / "bundle" / PACKAGE)], standalone_mode=False)
    assert "estimate, not measured" in capfd.readouterr().out
    with pytest.raises(UsageError, match="list of numbers"):
        build_app()([*arguments[:5], "many"], standalone_mode=False)
