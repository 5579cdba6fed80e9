"""Fuzz the C library with libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer, or MemorySanitizer.

    python -m native.fuzz.run FILE... --seconds 60 [--inputs 1000000] [--memory] [--target FILE] [--build FOLDER]

compiles the targets with clang (Debian: `clang-19 libclang-rt-19-dev`), kernels of all instruction sets included, makes
a corpus, runs each target over these native files, and prints how many inputs each had. It ends with 1 where one
crashed, hung or leaked, and names the folder with the input. `python -m benchmarks fuzz-c` runs it on small files,
which makes it fast, and keeps the counts. `--build` keeps what was compiled for the next run.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from native.fuzz.compiler import TARGETS, Compiler

_TEXTS = (
    "Write a thread-safe LRU cache in Python",
    "[CLS] it's [SEP] we'll [MASK] |||EMAIL_ADDRESS||| <|endoftext|>",
    "e\u0301\u0323 \u1100\u1161\u11a8 가 \ufb2c \u0958 \u212b 你好 مرحبا 🙂\u200d👩",
    "WRITE I'M \u0130STANBUL \u1e9e E\u0301 \u212a \u023a ΟΔΟΣ ПРИВЕТ \U00010400",
    " " * 90 + "\n\t\r\n" + "-" * 300 + "a" * 500,
)
# What an input is at most: longer ones take longer, and reach nothing more.
_LONGEST = {"FILE": 264, "ENGINE": 256, "TEXT": 2048, "CALLS": 256}
# The targets end an input that takes 20 s of a processor; this is for one that waits for ever, on a busy machine.
_DEADLOCK_SECONDS = 1200
# Threads are started by the thousand. Freed memory is reused after 16 MB of others, that of some hundred inputs.
_SANITIZER = (
    "allocator_release_to_os_interval_ms=-1:quarantine_size_mb=16:malloc_context_size=8:detect_stack_use_after_return=0"
)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """A target ends after so many seconds, or so many inputs; -1: as many as the time allows."""

    seconds: int
    inputs: int = -1


@dataclass(frozen=True, kw_only=True)
class TargetRun:
    """One target's run: `status` is 0 where no input crashed, hung or leaked."""

    inputs: int
    seconds: int
    processor_seconds: int
    status: int


def run_target(target: str, program: Path, files: Sequence[Path], folder: Path, limits: Limits) -> TargetRun:
    """Run a compiled target over native files. `folder` gets its corpus, and an input that it does not survive."""
    corpus = folder / f"corpus-{target}"
    corpus.mkdir()
    for number, content in enumerate(_first_inputs(target)):
        (corpus / f"{number}").write_bytes(content)
    most = (
        f"-timeout={_DEADLOCK_SECONDS}",
        "-rss_limit_mb=2048",
        f"-max_len={_LONGEST[target]}",
        f"-runs={limits.inputs}",
    )
    end = (f"-max_total_time={limits.seconds}", "-print_final_stats=1", f"-artifact_prefix={folder}/")
    begun, used = time.monotonic(), processor_seconds()
    ran = subprocess.run(
        [program, *most, *end, corpus],
        env=os.environ | {"VIBE_ROUTER_FUZZ_FILES": ":".join(map(str, files)), "ASAN_OPTIONS": _SANITIZER},
        capture_output=True,
        check=False,
    )
    log = ran.stderr.decode(errors="replace")
    if ran.returncode:
        sys.stderr.write(f"{log[-4000:]}\nthe input is in {folder}\n")
    found = re.search(r"number_of_executed_units:\s*(\d+)", log)
    return TargetRun(
        inputs=int(found.group(1)) if found else 0,
        seconds=round(time.monotonic() - begun),
        processor_seconds=round(processor_seconds() - used),
        status=ran.returncode,
    )


def _first_inputs(target: str) -> list[bytes]:
    texts = [text.encode() for text in _TEXTS]
    if target == "FILE":
        # Each file as it is, used in every way, with and without what a writer computes again.
        return [struct.pack("<4B2H", file, 0, file, 15, 0, repair) for file in range(16) for repair in (0, 3)]
    if target == "ENGINE":
        return [bytes((start + 7 * step) % 256 for step in range(256)) for start in (0, 11, 100, 200)]
    if target == "CALLS":
        return [bytes([file, *range(file, file + 20)]) + texts[0] for file in range(16)]
    return [bytes([file]) + text for file in range(8) for text in texts]


def processor_seconds() -> float:
    """Return the time that processes which have ended took of a processor."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> int:
    """Fuzz, and print counts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+", help="native files, the smaller the faster")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--inputs", type=int, default=-1, help="for each target; default: as many as the time allows")
    parser.add_argument("--memory", action="store_true", help="MemorySanitizer: nothing is read that was never written")
    parser.add_argument("--target", choices=TARGETS, action="append", help="all by default")
    parser.add_argument("--build", type=Path, help="keeps what is compiled")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="vibe-router-fuzz-"))
    compiler = Compiler(options.build or folder / "build", memory=options.memory)
    files = [file.resolve() for file in options.files]
    limits = Limits(seconds=options.seconds, inputs=options.inputs)
    failed = False
    for target in options.target or TARGETS:
        run = run_target(target, compiler.program(target), files, folder, limits)
        took = f"{run.seconds} s, {run.processor_seconds} s of a processor"
        sys.stdout.write(f"{target.lower()}: {run.inputs} inputs in {took}, status {run.status}\n")
        sys.stdout.flush()
        failed |= run.status != 0
    if not failed:
        shutil.rmtree(folder)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
