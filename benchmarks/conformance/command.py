"""`python -m benchmarks conformance`."""

from __future__ import annotations

import hashlib
import shlex
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.conformance.agreement import read_lines, with_golden, with_python
from benchmarks.conformance.bindings import BINDINGS, ROOT, Binding, run_tests, version_of
from benchmarks.conformance.chats import write_chats
from benchmarks.conformance.expected import golden_prompts, spread, write_expected
from benchmarks.consumers.install import NotHereError
from benchmarks.prompts import SHARED
from benchmarks.results_file import RESULTS, read_result, write_with_machine
from vibe_router_tools.console.output import print_json

BUNDLE = ROOT / "artifacts" / "nano"


def conformance(
    binding: Annotated[list[str] | None, typer.Option(help=f"May be repeated. Default: {', '.join(BINDINGS)}.")] = None,
    count: Annotated[int, typer.Option(min=0, help="Prompts besides the golden ones.")] = 2000,
    prompts: Annotated[Path, typer.Option(help="Where they are from, if it is there.")] = SHARED,
    swift: Annotated[str, typer.Option(help="How Swift is called, for example in another root.")] = "swift",
    output: Annotated[Path, typer.Option("-o", "--output")] = RESULTS / "conformance.json",
) -> None:
    """Run the tests of each binding over the bundled router; exit code 1 where one does not decide as Python."""
    before = read_result(output)
    rows = {row["key"]: row for row in (before["bindings"] if before else [])}
    broken = False
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        more = spread([prompts], count) if prompts.is_file() else []
        write_expected(BUNDLE, [*golden_prompts(BUNDLE), *more], work / "expected.jsonl")
        write_chats(BUNDLE, work / "chats.jsonl")
        _build_web(binding)
        for key in binding or BINDINGS:
            try:
                rows[key] = {"key": key, **_row(BINDINGS[key], shlex.split(swift), work)}
            except NotHereError as error:
                typer.echo(str(error), err=True)
                continue
            broken |= not rows[key]["agrees"]
    result = {"command": "python -m benchmarks conformance", "bindings": [rows[key] for key in BINDINGS if key in rows]}
    write_with_machine(output, result)
    print_json(result)
    if broken:
        raise typer.Exit(1)


def golden_digest(bundle: Path = BUNDLE) -> str:
    """Return the SHA-256 of a bundle's golden.jsonl, which is renewed with the bundle."""
    return hashlib.sha256((bundle / "golden.jsonl").read_bytes()).hexdigest()


def _build_web(bindings: Sequence[str] | None) -> None:
    if bindings is None or {"node", "chromium"} & set(bindings):
        from web.build import build

        build()


def _row(binding: Binding, tool: Sequence[str], work: Path) -> dict[str, Any]:
    """Return what a binding's tests, and the answers that they wrote, say."""
    from vibe_router.bundle.bundle import open_bundle

    version, expected, answers = version_of(binding, tool), work / "expected.jsonl", work / "answers.jsonl"
    answers.unlink(missing_ok=True)
    variables = {"EXPECTED": expected, "ANSWERS": answers, "CHATS": work / "chats.jsonl", "BUNDLE": BUNDLE}
    named = {f"VIBE_ROUTER_{name}": str(path) for name, path in variables.items()}
    outcome = run_tests(binding, tool, named, work)
    lines = read_lines(expected)
    # Python's answers are what the others are compared with.
    found = lines if binding is BINDINGS["python"] else read_lines(answers) if answers.exists() else []
    golden, python = with_golden(found, read_lines(BUNDLE / "golden.jsonl")), None
    if len(found) == len(lines):
        python = with_python(found, lines)
    return {
        "label": binding.label,
        "version": version,
        "system": sys.platform,
        "bundle": open_bundle(BUNDLE).manifest.version,
        "golden_sha256": golden_digest(),
        "tests": asdict(outcome),
        "golden": asdict(golden),
        "python": None if python is None else asdict(python),
        "agrees": python is not None
        and not outcome.failed
        and python.same_ids == python.same_targets == python.prompts
        and golden.same_ids == golden.prompts,
    }
