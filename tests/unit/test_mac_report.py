"""What a Mac is asked and what is made of its answers, with the interpreter in the place of Core ML."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.bundles import write_bundle
from tests.support.checkpoints import small_config, write_checkpoint
from tests.support.mac import POWER, StandInMac
from vibe_router.bundle.bundle import open_bundle
from vibe_router.engines import select
from vibe_router.errors import EngineError, EngineUnavailableError, ParityError, UsageError
from vibe_router.progress import Progress
from vibe_router_export.checkpoint.checkpoint import read_checkpoint
from vibe_router_export.choices import ReferenceChoice
from vibe_router_export.proof.mil_interpreter.arithmetic import Rounding
from vibe_router_export.proof.mil_interpreter.program import InterpretedProgram
from vibe_router_tools.cli import build_app
from vibe_router_tools.commands import verify_mac
from vibe_router_tools.measurement.mac import measure, system
from vibe_router_tools.measurement.mac.energy import energy, parse_power
from vibe_router_tools.measurement.mac.measure import NOT_PERMITTED, TOKEN_CLASSES, Bench, Effort, measure_on_mac
from vibe_router_tools.measurement.mac.placement import summarise
from vibe_router_tools.measurement.mac.protocols import PlannedOperation
from vibe_router_tools.measurement.mac.report import MacReport, Power

pytest.importorskip("coremltools", reason="packages are written with coremltools")

from vibe_router_export.export import CoreMLOptions, export_coreml

ENGINES = ("coreml-cpu", "coreml-gpu", "coreml-ane")
EFFORT = Effort(prompts=2, repetitions=2, power_seconds=3)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mac")
    checkpoint = read_checkpoint(write_checkpoint(folder / "small", small_config(num_hidden_layers=1)))
    options = CoreMLOptions(lengths=(64,), reference=ReferenceChoice.NONE)
    export_coreml(checkpoint, folder / "bundle", options=options)
    return folder / "bundle"


@pytest.fixture(scope="module")
def programs(bundle: Path) -> InterpretedProgram:
    """Remembers what it was asked, so that each prompt is interpreted once for all tests."""
    return InterpretedProgram([bundle / "coreml/VibeRouter.mlpackage"], Rounding.HALF)


@pytest.fixture(scope="module")
def bench(bundle: Path, programs: InterpretedProgram) -> Callable[..., Bench]:
    def make(**answers: Any) -> Bench:
        opened = open_bundle(bundle)
        mac = StandInMac(programs, **answers)
        file = next(file for file in opened.manifest.engines if file.kind == "coreml")
        return Bench(opened, file, mac, EFFORT, mac.clock)

    return make


@pytest.fixture(scope="module")
def report(bench: Callable[..., Bench]) -> MacReport:
    return measure_on_mac(bench(), engines=ENGINES)


def test_every_kind_of_hardware_replays_the_golden_prompts(report: MacReport, bundle: Path) -> None:
    assert report.passed
    report.require()
    assert [(unit.engine, unit.compute_units) for unit in report.units] == [
        ("coreml-cpu", "CPU_ONLY"),
        ("coreml-gpu", "CPU_AND_GPU"),
        ("coreml-ane", "CPU_AND_NE"),
    ]
    golden = len((bundle / "golden.jsonl").read_text().splitlines())
    for unit in report.units:
        assert unit.parity is not None
        assert unit.parity.prompts == golden
        assert unit.parity.engine == unit.engine
        assert 0 < unit.parity.max_abs_probability_difference < 2e-3


def test_cold_decisions_are_told_from_warm_ones(report: MacReport) -> None:
    for unit in report.units:
        assert unit.first_load_ms == pytest.approx(1e3 * StandInMac.LOADING)
        assert [row.card_ms for row in unit.latency] == [11, 35, 45]
        for row in unit.latency:
            assert row.prompts == EFFORT.prompts
            assert row.runs == EFFORT.prompts * EFFORT.repetitions
            # The stand-in's clock goes on by so much for each load and each prediction.
            assert row.cold_ms == pytest.approx(1e3 * (StandInMac.LOADING + StandInMac.PREDICTING))
            assert row.median_ms == row.percentile_95_ms == pytest.approx(1e3 * StandInMac.PREDICTING)


def test_prompts_are_of_the_lengths_that_the_card_speaks_of(bundle: Path, bench: Callable[..., Bench]) -> None:
    asked = bench()
    rows = {row["prompt"]: row for row in map(json.loads, (bundle / "golden.jsonl").read_text().splitlines())}
    for chosen in TOKEN_CLASSES:
        prompts = asked.prompts(chosen)
        assert len(prompts) == EFFORT.prompts
        for prompt in prompts:
            assert chosen.least <= len(rows[prompt]["input_ids"]) <= chosen.most
            assert not rows[prompt]["truncated"]


def test_placement_counts_operations_and_work_by_device() -> None:
    plan = [
        PlannedOperation("const", None, None),
        PlannedOperation("ios18.constexpr_lut_to_dense", None, None),
        PlannedOperation("ios18.gather", "cpu", 0.1),
        PlannedOperation("ios18.conv", "neural engine", 0.5),
        PlannedOperation("ios18.conv", "neural engine", 0.2),
        PlannedOperation("ios18.softmax", "neural engine", None),
        PlannedOperation("ios18.add", None, None),
    ]
    placed = summarise(plan, tokens=64)
    assert placed.tokens == 64
    assert [(one.device, one.operations) for one in placed.devices] == [
        ("neural engine", 3),
        ("cpu", 1),
        ("unknown", 1),
    ]
    assert placed.devices[0].cost == pytest.approx(0.875)
    assert placed.devices[0].kinds == {"conv": 2, "softmax": 1}
    assert placed.devices[2].cost == 0


def test_a_plan_without_costs_is_no_failure() -> None:
    (device,) = summarise([PlannedOperation("ios18.conv", "gpu", None)], tokens=8).devices
    assert (device.operations, device.cost) == (1, 0)


def test_a_plan_that_is_not_given_is_noted(bench: Callable[..., Bench]) -> None:
    (unit,) = measure_on_mac(bench(plan_error="no plan here"), engines=ENGINES[:1]).units
    assert unit.placement == ()
    assert unit.placement_note == "no plan here"
    assert unit.latency


def test_power_is_the_mean_of_the_samples() -> None:
    assert parse_power(POWER) == Power(cpu=200, gpu=30, neural_engine=1000, samples=2)


def test_power_in_another_format_is_refused() -> None:
    with pytest.raises(EngineError, match="no power of GPU, ANE"):
        parse_power("CPU Power: 12 mW\n")


def test_energy_is_what_a_decision_costs_beyond_idling() -> None:
    idle = Power(cpu=100, gpu=0, neural_engine=0, samples=1)
    busy = Power(cpu=300, gpu=0, neural_engine=400, samples=1)
    assert energy(idle, busy, seconds=2.0, decisions=100).millijoules_a_decision == pytest.approx(12)
    assert energy(busy, idle, seconds=2.0, decisions=100).millijoules_a_decision == 0


def test_energy_is_metered_while_prompts_are_decided(report: MacReport) -> None:
    for unit in report.units:
        assert unit.energy is not None
        assert unit.energy.seconds >= EFFORT.power_seconds
        assert unit.energy.decisions == pytest.approx(unit.energy.seconds / StandInMac.PREDICTING)
        assert unit.energy_note is None


def test_energy_that_may_not_be_metered_is_said_not_to_be(bench: Callable[..., Bench]) -> None:
    (unit,) = measure_on_mac(bench(power=None), engines=ENGINES[:1]).units
    assert unit.energy is None
    assert unit.energy_note == NOT_PERMITTED
    assert unit.parity is not None


def test_an_engine_that_is_refused_leaves_the_others_measured(bench: Callable[..., Bench]) -> None:
    report = measure_on_mac(bench(refused="coreml-gpu"), engines=ENGINES)
    assert [unit.error for unit in report.units] == [None, "Core ML refuses", None]
    assert not report.passed
    with pytest.raises(EngineError, match="coreml-gpu: Core ML refuses"):
        report.require()


def test_another_answer_than_the_references_fails(bench: Callable[..., Bench]) -> None:
    report = measure_on_mac(bench(added=0.5), engines=ENGINES[:1])
    assert not report.passed
    with pytest.raises(ParityError):
        report.require()


def test_progress_is_told(bench: Callable[..., Bench]) -> None:
    events: list[Progress] = []
    measure_on_mac(bench(), engines=ENGINES[:2], progress=events.append)
    assert events == [Progress(1, 2), Progress(2, 2)]


@pytest.fixture
def on_a_mac(monkeypatch: pytest.MonkeyPatch, programs: InterpretedProgram) -> None:
    monkeypatch.setattr(select.sys, "platform", "darwin")
    monkeypatch.setattr(system, "ThisMac", lambda *_: StandInMac(programs))
    monkeypatch.setattr(measure, "Bench", lambda opened, file, mac: Bench(opened, file, mac, EFFORT, mac.clock))


def command(*arguments: str | Path) -> None:
    build_app()(["verify", *map(str, arguments)], standalone_mode=False)


@pytest.mark.usefixtures("on_a_mac")
def test_the_command_writes_json_and_prints_tables(
    bundle: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "report.json"
    options = ("--engine", "coreml", "--precision", "fp16", "--report", file)
    command(bundle, *options)
    written = json.loads(file.read_text())
    assert written["passed"] is True
    assert [unit["engine"] for unit in written["units"]] == ["coreml", *ENGINES]
    assert written["units"][0]["parity"]["engine"] == "coreml"
    printed = capfd.readouterr().out
    assert "neural engine" in printed
    assert "stand-in" in printed
    command(bundle, *options, "--json")
    assert json.loads(capfd.readouterr().out)["machine"] == written["machine"]
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.usefixtures("on_a_mac")
def test_one_engine_is_measured_alone(bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    command(bundle, "--engine", "coreml-ane", "--precision", "fp16", "--report", file)
    assert [unit["engine"] for unit in json.loads(file.read_text())["units"]] == ["coreml-ane"]


@pytest.mark.usefixtures("on_a_mac")
def test_a_report_of_what_failed_is_written_all_the_same(
    bundle: Path, programs: InterpretedProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "ThisMac", lambda *_: StandInMac(programs, added=0.5))
    file = tmp_path / "report.json"
    with pytest.raises(ParityError):
        command(bundle, "--engine", "coreml-cpu", "--precision", "fp16", "--report", file)
    assert json.loads(file.read_text())["passed"] is False


def test_off_macos_the_command_is_refused_with_a_hint(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(select.sys, "platform", "linux")
    with pytest.raises(EngineUnavailableError) as caught:
        command(bundle, "--engine", "coreml", "--report", tmp_path / "report.json")
    assert caught.value.exit_code == 6
    assert "available here" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_report_needs_core_ml_and_a_folder(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b")
    with pytest.raises(UsageError, match="not for onnx-cpu"):
        command(folder, "--engine", "onnx-cpu", "--report", tmp_path / "report.json")
    with pytest.raises(UsageError, match="is no folder"):
        command(folder, "--engine", "coreml", "--report", tmp_path / "none" / "report.json")


def test_a_report_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "report.json").mkdir()
    with pytest.raises(UsageError, match="cannot write"):
        verify_mac.write_report({}, tmp_path / "report.json")
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_one_function_of_a_package_can_be_planned_alone(bundle: Path, tmp_path: Path) -> None:
    from vibe_router_export.proof.mil_interpreter.package import read_package

    out = tmp_path / "alone.mlpackage"
    system.save_alone(bundle / "coreml/VibeRouter.mlpackage", "tokens_64", out)
    alone = read_package(out)
    assert (list(alone.functions), alone.default) == (["main"], "main")
