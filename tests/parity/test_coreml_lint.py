"""The placement lint passes our packages for the Neural Engine, and names each violation that is planted in one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.checkpoints import small_config, write_checkpoint
from vibe_router_export.checkpoint.checkpoint import read_checkpoint
from vibe_router_export.choices import Layout, Target, WeightFormat
from vibe_router_export.cli import build_app
from vibe_router_export.emit.coreml.lint import ASSUMED_FLOPS_PER_SECOND, Rule, lint
from vibe_router_export.fold.half_precision import HalfPrecisionFolds, fold_for_half_precision

pytest.importorskip("coremltools", reason="packages are written with coremltools")

from coremltools.proto import MIL_pb2, Model_pb2

from vibe_router_export.emit.coreml.package import write_packages
from vibe_router_export.proof.mil_interpreter.package import read_package

LENGTHS = (16, 40)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lint")
    weights = read_checkpoint(write_checkpoint(folder / "small", small_config(num_hidden_layers=2))).weights
    (folder / "out").mkdir()
    folded = fold_for_half_precision(weights, HalfPrecisionFolds())
    (path,) = write_packages(folded, folder / "out", lengths=LENGTHS, layout=Layout.ANE, target=Target.MACOS15)
    return path


def plant(package: Path, folder: Path, kind: str, edit: Callable[[Any], None]) -> Path:
    """Copy a package, changing its last operation of a kind."""
    copy = Path(shutil.copytree(package, folder / "planted.mlpackage"))
    file = copy / "Data/com.apple.CoreML/model.mlmodel"
    model = Model_pb2.Model()
    model.ParseFromString(file.read_bytes())
    function = model.mlProgram.functions["tokens_16"]
    operations = function.block_specializations[function.opset].operations
    edit([operation for operation in operations if operation.type == kind][-1])
    file.write_bytes(model.SerializeToString())
    return copy


def _add_dimension(operation: Any) -> None:
    tensor = operation.outputs[0].type.tensorType
    tensor.rank = 5
    tensor.dimensions.add().constant.size = 1


def _free_dimension(operation: Any) -> None:
    operation.outputs[0].type.tensorType.dimensions[3].unknown.variadic = False


def _large_dimension(operation: Any) -> None:
    operation.outputs[0].type.tensorType.dimensions[1].constant.size = 16_385


def _integer(operation: Any) -> None:
    operation.outputs[0].type.tensorType.dataType = MIL_pb2.DataType.Value("INT32")


def _rename(operation: Any) -> None:
    operation.type = "erf"


PLANTED: list[tuple[str, Callable[[Any], None], Rule, str]] = [
    ("concat", _add_dimension, Rule.RANK, "fp16 [1, 48, 1, 16, 1]"),
    ("gelu", _free_dimension, Rule.DYNAMIC, "fp16 [1, 48, 1, ?]"),
    ("concat", _large_dimension, Rule.LARGE, "fp16 [1, 16385, 1, 16]"),
    ("real_div", _integer, Rule.INTEGER, "int32 [1, 48, 1, 1]"),
    ("gelu", _rename, Rule.UNKNOWN, "erf"),
]


@pytest.mark.parametrize(("kind", "edit", "rule", "detail"), PLANTED)
def test_a_planted_violation_is_named(
    package: Path, tmp_path: Path, kind: str, edit: Callable[[Any], None], rule: Rule, detail: str
) -> None:
    violations = lint(read_package(plant(package, tmp_path, kind, edit))).violations
    assert {(found.function, found.rule) for found in violations} == {("tokens_16", rule)}
    first = violations[0]
    assert first.detail == detail
    assert first.kind == ("erf" if rule is Rule.UNKNOWN else kind)
    assert first.operation.startswith(kind)


def test_packages_for_the_neural_engine_pass(package: Path) -> None:
    report = lint(read_package(package))
    assert report.violations == ()
    assert [facts.name for facts in report.functions] == ["tokens_16", "tokens_40"]
    assert report.functions[0].operations["conv"] == 2 * 4 + 2
    assert report.bytes == sum(file.stat().st_size for file in package.rglob("*") if file.is_file())


@pytest.mark.slow
@pytest.mark.parametrize("target", Target)
@pytest.mark.parametrize("weight_format", WeightFormat)
def test_packages_of_every_format_pass(weight_format: WeightFormat, target: Target, tmp_path: Path) -> None:
    weights = read_checkpoint(write_checkpoint(tmp_path / "small", small_config(num_hidden_layers=1))).weights
    folded = fold_for_half_precision(weights, HalfPrecisionFolds())
    options = {"lengths": [40], "layout": Layout.ANE, "target": target, "weight_format": weight_format}
    (path,) = write_packages(folded, tmp_path, **options)
    report = lint(read_package(path))
    assert report.violations == ()
    assert not any(kind.startswith("const") for kind in report.functions[0].operations)


def test_packages_for_the_gpu_are_told_from_them(tmp_path: Path) -> None:
    weights = read_checkpoint(write_checkpoint(tmp_path / "small", small_config(num_hidden_layers=1))).weights
    options = {"lengths": [16], "layout": Layout.GPU, "target": Target.MACOS15}
    (path,) = write_packages(weights, tmp_path, **options)
    assert {found.kind for found in lint(read_package(path)).violations} == {"linear", "matmul"}


def test_an_input_that_is_not_fixed_is_named(package: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(package, tmp_path / "planted.mlpackage"))
    file = copy / "Data/com.apple.CoreML/model.mlmodel"
    model = Model_pb2.Model()
    model.ParseFromString(file.read_bytes())
    function = model.mlProgram.functions["tokens_16"]
    function.inputs[0].type.tensorType.dimensions[1].unknown.variadic = False
    file.write_bytes(model.SerializeToString())
    (found,) = lint(read_package(copy)).violations
    assert (found.rule, found.operation, found.detail) == (Rule.DYNAMIC, "input_ids", "int32 [1, ?]")


def test_every_rule_has_a_violation_planted_above() -> None:
    assert {case[2] for case in PLANTED} == set(Rule)


def test_the_command_names_what_it_found_and_fails(
    package: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    planted = plant(package, tmp_path, "gelu", _rename)
    assert build_app()(["lint", str(planted)], standalone_mode=False) == 1
    printed = capfd.readouterr().out
    assert Rule.UNKNOWN.value in printed
    assert "tokens_16: gelu_" in printed
    assert build_app()(["lint", str(package), "--json"], standalone_mode=False) in (None, 0)
    assert json.loads(capfd.readouterr().out)["violations"] == []


def test_operations_are_counted_by_hand(package: Path) -> None:
    small, _ = lint(read_package(package)).functions
    hidden, intermediate, tokens, layers = 48, 64, 16, 2
    matrices = hidden * 3 * hidden + hidden * hidden + hidden * 2 * intermediate + intermediate * hidden
    attention = 2 * tokens * tokens * hidden
    head = hidden * hidden + hidden
    assert small.flops == 2 * (layers * (tokens * matrices + attention) + head)
    assert small.estimated_seconds == small.flops / ASSUMED_FLOPS_PER_SECOND


def test_a_large_embedding_table_is_no_violation(package: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(package, tmp_path / "large.mlpackage"))
    file = copy / "Data/com.apple.CoreML/model.mlmodel"
    model = Model_pb2.Model()
    model.ParseFromString(file.read_bytes())
    for function in model.mlProgram.functions.values():
        for operation in function.block_specializations[function.opset].operations:
            if operation.outputs[0].name == "model_embeddings_tok_embeddings_weight":
                operation.outputs[0].type.tensorType.dimensions[0].constant.size = 50_368
    file.write_bytes(model.SerializeToString())
    assert lint(read_package(copy)).violations == ()
