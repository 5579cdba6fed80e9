"""Fuzz the C library with libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer, or MemorySanitizer.

    python native/fuzz/run.py BUNDLE --seconds 60 [--memory] [--target FILE]

compiles three targets with clang (Debian: `clang libclang-rt-14-dev`), makes a corpus, runs each for so many seconds
over the bundle's native file, and prints how many inputs each had. It ends with 1 where one crashed, hung or leaked,
and names the folder with the input. `python -m benchmarks fuzz-c` runs it on a small bundle and keeps the counts.
"""

from __future__ import annotations

import argparse
import os
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

_NATIVE = Path(__file__).resolve().parent.parent
_FLAGS = ("-std=c11", "-O1", "-g", "-ffp-contract=off", "-fno-math-errno", "-Wno-psabi", "-DINSTRUCTIONS=AVX2")
_SANITIZERS = ("-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all")
_MEMORY = ("-fsanitize=fuzzer,memory", "-fno-sanitize-recover=all")
TARGETS = ("TEXT", "FILE", "CALLS")
_TEXTS = (
    "Write a thread-safe LRU cache in Python",
    "[CLS] it's [SEP] we'll [MASK] |||EMAIL_ADDRESS||| <|endoftext|>",
    "e\u0301\u0323 \u1100\u1161\u11a8 가 \ufb2c \u0958 \u212b 你好 مرحبا 🙂\u200d👩",
    "WRITE I'M \u0130STANBUL \u1e9e E\u0301 \u212a \u023a ΟΔΟΣ ПРИВЕТ \U00010400",
    " " * 90 + "\n\t\r\n" + "-" * 600 + "a" * 5000,
)


def compile_target(target: str, program: Path, *, memory: bool) -> None:
    """Compile one target.

    Raises:
        subprocess.CalledProcessError: clang refuses it.
    """
    sources = [one for folder in ("text", "router", "engine") for one in sorted((_NATIVE / folder).glob("*.c"))]
    kernel = program.with_name("kernel.o")
    if not kernel.exists():
        # Without the other sanitizers: they take minutes to compile it, and tests/packaging runs it under its own.
        unit = ("-mavx2", "-mfma", "-c", _NATIVE / "kernel" / "forward.c", "-o", kernel)
        subprocess.run(["clang", *_FLAGS, *(("-fsanitize=memory",) if memory else ()), *unit], check=True)
    every = (*sources, _NATIVE / "fuzz" / "targets.c", kernel)
    options = (*_FLAGS, *(_MEMORY if memory else _SANITIZERS), f"-DTARGET_{target}")
    subprocess.run(["clang", *options, *every, "-lpthread", "-lm", "-o", program], check=True)


def make_corpus(target: str, folder: Path) -> None:
    """Write inputs to begin with."""
    folder.mkdir()
    inputs = [text.encode() for text in _TEXTS]
    if target == "FILE":
        inputs = [struct.pack("<Ii", place, value) for place in range(0, 4000, 37) for value in (-1, 0, 2**31 - 1)]
    elif target == "CALLS":
        inputs = [bytes([start + step for step in range(20)]) + inputs[0] for start in (0, 11, 100, 200)]
    for number, content in enumerate(inputs):
        (folder / f"{number}").write_bytes(content)


def run_target(target: str, file: Path, folder: Path, *, seconds: int, memory: bool) -> tuple[int, int]:
    """Return the exit status of a run, and how many inputs it had."""
    program, corpus = folder / target, folder / f"corpus-{target}"
    compile_target(target, program, memory=memory)
    make_corpus(target, corpus)
    most = ("-timeout=20", "-rss_limit_mb=2048", "-max_len=8192")
    limits = (f"-max_total_time={seconds}", "-print_final_stats=1", *most)
    ran = subprocess.run(
        [program, *limits, f"-artifact_prefix={folder}/", corpus],
        env=os.environ | {"VIBE_ROUTER_FUZZ_FILE": str(file)},
        capture_output=True,
        check=False,
    )
    log = ran.stderr.decode(errors="replace")
    if ran.returncode:
        sys.stdout.write(log[-4000:])
    found = re.search(r"number_of_executed_units:\s*(\d+)", log)
    return ran.returncode, int(found.group(1)) if found else 0


def main() -> int:
    """Fuzz, and print counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--memory", action="store_true", help="MemorySanitizer: nothing is read that was never written")
    parser.add_argument("--target", choices=TARGETS, action="append", help="all by default")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="vibe-router-fuzz-"))
    failed = False
    for target in options.target or TARGETS:
        file = (options.bundle / "native" / "model_int8.safetensors").resolve()
        status, inputs = run_target(target, file, folder, seconds=options.seconds, memory=options.memory)
        sys.stdout.write(f"{target.lower()}: {inputs} inputs in {options.seconds} s, status {status} ({folder})\n")
        sys.stdout.flush()
        failed |= status != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
