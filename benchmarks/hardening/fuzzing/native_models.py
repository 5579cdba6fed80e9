"""`NativeModel` and the engine together, under sanitizers: headers and numbers from an attacker who computes all else.

python -m benchmarks.hardening.fuzzing.native_models LIBRARY FOLDER FILE... --inputs N --seconds N
is the child process, into which the runtime of the sanitizers is preloaded. It prints how many inputs it has had, and
ends with an error at the first that does what none may do, after writing it to FOLDER.
"""

from __future__ import annotations

import argparse
import ctypes
import faulthandler
import itertools
import mmap
import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import vibe_router.engines.native.library as native
from benchmarks.hardening.fuzzing.native_files import NativeFile, read_native
from vibe_router.engines.native.engine import NativeEngine
from vibe_router.engines.native.library import native_library, supported_instructions
from vibe_router.engines.native.model import NativeModel
from vibe_router.errors import BundleCorruptError

if TYPE_CHECKING:
    from native.fuzz.compiler import Compiler
    from native.fuzz.run import Limits, TargetRun

_OPTIONS = "detect_leaks=0:quarantine_size_mb=16:malloc_context_size=8:detect_stack_use_after_return=0"
_HANG_SECONDS = 20
_REPORTED = 500


def fuzz_models(compiler: Compiler, files: Sequence[Path], work: Path, limits: Limits) -> TargetRun:
    """Run the child until its limits; an input that it does not survive is in `work`.

    Raises:
        OSError, subprocess.CalledProcessError: it cannot be compiled or run.
    """
    from native.fuzz.run import TargetRun, processor_seconds

    library, runtime = compiler.shared_library()
    asked = ("--inputs", str(limits.inputs), "--seconds", str(limits.seconds))
    begun, used = time.monotonic(), processor_seconds()
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.hardening.fuzzing.native_models", library, work, *files, *asked],
        stdout=subprocess.PIPE,
        env=os.environ
        | {"LD_PRELOAD": str(runtime), "ASAN_OPTIONS": _OPTIONS, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    counted = ran.stdout.split()
    return TargetRun(
        inputs=int(counted[-1]) if counted else 0,
        seconds=round(time.monotonic() - begun),
        processor_seconds=round(processor_seconds() - used),
        status=ran.returncode,
    )


class _InBlocks(NativeModel):
    """Its tensors are copied into blocks of their own, so that whatever is read beyond one is reported."""

    def __init__(self, mapping: mmap.mmap) -> None:
        self._c = ctypes.CDLL(None)
        self._blocks: dict[str, int] = {}
        super().__init__(mapping, file="native")

    def _pointer(self, name: str) -> int:
        if name not in self._blocks:
            block, begin, size = ctypes.c_void_p(), self._offsets[name], self._types[name].bytes
            if self._c.posix_memalign(ctypes.byref(block), ctypes.c_size_t(64), ctypes.c_size_t(size)):
                raise MemoryError
            self._blocks[name] = block.value or 0
            ctypes.memmove(self._blocks[name], self._mapping[begin : begin + size], size)
        return self._blocks[name]

    def check(self, *, in_a_thread: bool) -> None:
        """Check the weights; as a router does, in a thread, or in less time."""
        (self.begin_check() if in_a_thread else self._check_weights)()

    def __del__(self) -> None:
        for block in self._blocks.values():
            self._c.free(ctypes.c_void_p(block))


def _try(content: bytes, draw: random.Random) -> None:
    """Load a file and score sequences with it in two instruction sets.

    Raises:
        AssertionError: they have different logits.
        BundleCorruptError: the file is refused.
    """
    mapping = mmap.mmap(-1, max(len(content), 1))
    mapping.write(content)
    model = _InBlocks(mapping)
    model.check(in_a_thread=draw.random() < 0.1)
    most, vocabulary = model.architecture.max_tokens, model.architecture.vocabulary_size
    lengths = [min(most, draw.choice((1, 2, 5, 7, 13, 17, 33))) for _ in range(draw.choice((1, 1, 2, 4)))]
    sequences = [np.array([draw.randrange(vocabulary) for _ in range(length)], np.int64) for length in lengths]
    known = None
    for instructions in draw.sample(
        supported_instructions(), draw.choice((1, 1, 1, min(2, len(supported_instructions()))))
    ):
        threads = draw.choice((1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 3))
        engine = NativeEngine(model, file="native", precision="int8", threads=threads, instructions=instructions)
        logits = engine.logits(sequences)
        engine.close()
        logits[~np.isfinite(logits)] = np.nan
        if known is not None and not np.array_equal(known, logits, equal_nan=True):
            raise AssertionError(f"{instructions.name} gives {logits} instead of {known}")
        known = logits


def main() -> int:
    """Try inputs until a limit, or until one does what none may do."""
    parser = argparse.ArgumentParser()
    parser.add_argument("library", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--inputs", type=int, required=True)
    parser.add_argument("--seconds", type=int, required=True)
    options = parser.parse_args()
    native.library_file = lambda: options.library
    native_library()
    bases = [read_native(path.read_bytes()) for path in options.files]
    end, tried, taken = time.monotonic() + options.seconds, 0, 0
    for number in itertools.count():
        if number == options.inputs or time.monotonic() > end:
            break
        draw = random.Random(number)
        content = _input(bases, draw)
        # A process that dies leaves the input behind.
        (options.folder / "model-input").write_bytes(content)
        faulthandler.dump_traceback_later(_HANG_SECONDS, exit=True)
        try:
            _try(content, draw)
            taken += 1
        except BundleCorruptError:
            pass
        tried = number + 1
        if tried % _REPORTED == 0:
            sys.stdout.write(f"{tried}\n")
            sys.stdout.flush()
    faulthandler.cancel_dump_traceback_later()
    (options.folder / "model-input").unlink(missing_ok=True)
    sys.stderr.write(f"{taken} of {tried} files were taken\n")
    sys.stdout.write(f"{tried}\n")
    return 0


def _input(bases: list[NativeFile], draw: random.Random) -> bytes:
    return draw.choice(bases).mutated(draw)


if __name__ == "__main__":
    sys.exit(main())
