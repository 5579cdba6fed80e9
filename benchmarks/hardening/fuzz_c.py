"""How many inputs the engine, its files and the C library had under AddressSanitizer and UndefinedBehaviorSanitizer."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.hardening.fuzzing.native_models import fuzz_models
from benchmarks.hardening.fuzzing.small_files import write_small_files
from native.fuzz.compiler import Compiler
from native.fuzz.run import Limits, TargetRun, run_target
from vibe_router.bundle.bundle import bundled_folder
from vibe_router.errors import DataError
from vibe_router_export.emit.native.file import NATIVE_FILE

MODEL = "model"
"""The target that is no program of libFuzzer: `NativeModel`, in Python, and the engine."""


def fuzz_c(work: Path, *, targets: Sequence[str], limits: Limits, build: Path) -> Iterator[tuple[str, TargetRun]]:
    """Run the targets over small native files, one after the other; yield each with its counts.

    What is compiled stays in `build`, inputs that were not survived in `work`.

    Raises:
        DataError: the fuzzers cannot be compiled or run.
    """
    small = work / "files"
    small.mkdir()
    files = write_small_files(small)
    try:
        compiler = Compiler(build)
        for target in targets:
            if target == MODEL:
                yield target, fuzz_models(compiler, files, work, limits)
            else:
                # Texts are read with the bundled router's tokenizer as well.
                more = [bundled_folder() / NATIVE_FILE] if target == "text" else []
                yield (
                    target,
                    run_target(target.upper(), compiler.program(target.upper()), [*files, *more], work, limits),
                )
    except (OSError, subprocess.CalledProcessError) as error:
        raise DataError(
            f"the fuzzers did not run: {error}",
            hint="they need clang and its sanitizers (Debian: clang-19 libclang-rt-19-dev)",
        ) from error
