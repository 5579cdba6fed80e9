"""`vibe-router verify --engine coreml --report FILE`: what only a Mac can tell, as a table and as JSON."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from vibe_router.errors import UsageError
from vibe_router_tools.atomic.write import write_file
from vibe_router_tools.console.output import print_json, print_table, progress_bar
from vibe_router_tools.measurement.mac.report import MacReport, UnitReport


def verify_mac(source: str | None, *, engine: str, precision: str, report: Path, as_json: bool) -> None:
    """Measure the bundle's Core ML file on this Mac, write the report, print it, and raise what failed.

    With the engine "coreml", or "auto", all kinds of hardware are measured, else the named one.

    Raises:
        UsageError: the report cannot be written there, or the engine that would run is not Core ML.
        EngineUnavailableError: this is no Mac, or the bundle has no Core ML file.
        ParityError: an engine disagrees with the reference; the report is written all the same.
    """
    from vibe_router.bundle.bundle import open_bundle
    from vibe_router.engines.choice import AUTO, COREML, ENGINE_KINDS
    from vibe_router.engines.select import choose_file

    if not report.parent.is_dir():
        raise UsageError(f"{report.parent} is no folder", hint="name a file in a folder that exists")
    if engine != AUTO and ENGINE_KINDS.get(engine, COREML) != COREML:
        raise UsageError(f"--report is for Core ML, not for {engine}", hint="add --engine coreml, on a Mac")
    bundle = open_bundle(source)
    name = COREML if engine == AUTO else engine
    file = choose_file(bundle, engine=name, precision=precision)
    engines = [one for one, kind in ENGINE_KINDS.items() if kind == COREML] if name == COREML else [name]

    from vibe_router_tools.measurement.mac.measure import Bench, measure_on_mac
    from vibe_router_tools.measurement.mac.system import ThisMac

    with contextlib.closing(ThisMac(bundle, file)) as mac, progress_bar("measuring") as progress:
        found = measure_on_mac(Bench(bundle, file, mac), engines=engines, progress=progress)
    fields = report_fields(found)
    write_report(fields, report)
    if as_json:
        print_json(fields)
    else:
        print_report(found)
    found.require()


def report_fields(report: MacReport) -> object:
    """Return a report as JSON values, with whether it passed."""
    from vibe_router_tools.evaluation.jsonable import jsonable

    fields = jsonable(report)
    assert isinstance(fields, dict)
    return fields | {"passed": report.passed}


def write_report(fields: object, file: Path) -> None:
    """Write a report whole or not at all.

    Raises:
        UsageError: it cannot be written there.
    """
    write_file(file, (json.dumps(fields, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def print_report(report: MacReport) -> None:
    """Print a report as tables."""
    machine = report.machine
    print_table(
        f"{report.bundle}, {report.file}, on {machine.chip} ({machine.model}), {machine.system}",
        ("engine", "prompts", "max |dlogit|", "max |dp|", "decisions", "mJ a decision"),
        [_parity_row(unit) for unit in report.units],
    )
    print_table(
        "Where operations run",
        ("engine", "tokens", "device", "operations", "share of the work"),
        [
            (unit.engine, str(function.tokens), one.device, str(one.operations), f"{one.cost:.1%}")
            for unit in report.units
            for function in unit.placement
            for one in function.devices
        ],
    )
    print_table(
        "Milliseconds a decision; the card's are of PyTorch on another Mac",
        ("engine", "tokens", "cold", "median", "95 %", "card"),
        [
            (
                unit.engine,
                one.label,
                *(f"{ms:.1f}" for ms in (one.cold_ms, one.median_ms, one.percentile_95_ms, one.card_ms)),
            )
            for unit in report.units
            for one in unit.latency
        ],
    )


def _parity_row(unit: UnitReport) -> tuple[str, ...]:
    if unit.parity is None:
        return (unit.engine, "", "", "", f"FAILED: {unit.error}", "")
    parity = unit.parity
    flips = sum(profile.flips for profile in parity.profiles)
    verdict = "passed" if parity.passed else "FAILED: " + "; ".join(parity.failures())
    spent = unit.energy_note or "" if unit.energy is None else f"{unit.energy.millijoules_a_decision:.1f}"
    return (
        unit.engine,
        str(parity.prompts),
        f"{parity.max_abs_logit_difference:.1e}",
        f"{parity.max_abs_probability_difference:.1e}",
        f"{verdict}, {flips} flips",
        spent,
    )
