"""How many inputs of libFuzzer the C library had, under AddressSanitizer and UndefinedBehaviorSanitizer."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.hardening.fuzzing.sandbox import write_bundle, write_checkpoint
from vibe_router.errors import DataError

_PROGRAM = Path(__file__).resolve().parents[2] / "native" / "fuzz" / "run.py"
_LINE = re.compile(r"^(text|file|calls): (\d+) inputs in (\d+) s, status (-?\d+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class CRun:
    """One target's run: `status` is 0 where no input crashed, hung or leaked."""

    inputs: int
    seconds: int
    status: int


def fuzz_c(work: Path, *, targets: Sequence[str], seconds: int) -> dict[str, CRun]:
    """Run the targets, so many seconds each, over the native file of a small bundle below `work`.

    Raises:
        DataError: the fuzzers cannot be compiled or run.
    """
    write_checkpoint(work / "checkpoint", seed=0)
    write_bundle(work / "checkpoint", work / "bundle")
    chosen = [part for target in targets for part in ("--target", target.upper())]
    command: list[str | Path] = [sys.executable, _PROGRAM, work / "bundle", "--seconds", str(seconds), *chosen]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    found = counts_of(ran.stdout)
    if set(found) != set(targets):
        lines = (ran.stdout + ran.stderr).strip().splitlines()
        raise DataError(
            f"the fuzzers did not run: {lines[-1] if lines else 'without a word'}",
            hint="they need clang and its sanitizers (Debian: clang libclang-rt-14-dev)",
        )
    return found


def counts_of(printed: str) -> dict[str, CRun]:
    """Return what `native/fuzz/run.py` printed, by target."""
    return {
        target: CRun(inputs=int(inputs), seconds=int(seconds), status=int(status))
        for target, inputs, seconds, status in _LINE.findall(printed)
    }
