"""Run a target: inputs to a child process one by one, a new child where one dies or hangs, everything counted."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import select
import shutil
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.hardening.fuzzing.sandbox import Sandbox, write_bundle, write_checkpoint
from benchmarks.hardening.fuzzing.subjects import Folders, Kind, Outcome
from benchmarks.hardening.fuzzing.tamper import REHASHED, TAMPER, all_subjects, dump, tamperings
from vibe_router.progress import Progress, ProgressCallback

_FAILURES = (Kind.CRASH, Kind.HANG, Kind.WRONG)
_KEPT_DETAILS = 20
_START_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An input that should not have done what it did; `input` is the SHA-256 by which it was kept, if it was."""

    kind: str
    detail: str
    input: str


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """The counts of one target. `errors` counts the typed errors by type."""

    target: str
    seed: int
    inputs: int
    seconds: float
    slowest_seconds: float
    outcomes: dict[str, int]
    errors: dict[str, int]
    failures: tuple[Failure, ...]

    @property
    def failed(self) -> int:
        """How many inputs crashed, hung or gave a wrong answer."""
        return sum(self.outcomes[kind.value] for kind in _FAILURES)


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Stop after so many inputs or seconds; an input that takes longer than `limit` seconds hangs."""

    inputs: int
    seconds: float
    limit: float = 20.0


def run_campaign(
    target: str,
    work: Path,
    *,
    budget: Budget,
    seed: int,
    regions: int = 32,
    keep: Path | None = None,
    progress: ProgressCallback | None = None,
) -> Campaign:
    """Try inputs for one target; the same seed makes the same inputs. Inputs that fail are written to `keep`.

    `work` is an empty folder. Tampering goes through all files and `regions` once, whatever `budget.inputs` says.

    Raises:
        RuntimeError: the child cannot start.
    """
    folders = _prepare(work)
    inputs = _inputs(target, folders, seed=seed, regions=regions, count=budget.inputs)
    outcomes: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    failures: list[Failure] = []
    slowest, start = 0.0, time.monotonic()
    with _Child(target, work) as child:
        for number, content in enumerate(inputs, start=1):
            began = time.monotonic()
            outcome = child.ask(content, limit=budget.limit)
            slowest = max(slowest, time.monotonic() - began)
            outcomes[outcome.kind.value] += 1
            if outcome.kind is Kind.TYPED_ERROR:
                errors[outcome.detail] += 1
            elif outcome.kind in _FAILURES:
                failures.append(_failure(outcome, content, keep))
            if progress is not None:
                progress(Progress(number, None))
            if time.monotonic() - start > budget.seconds:
                break
    return Campaign(
        target=target,
        seed=seed,
        inputs=outcomes.total(),
        seconds=round(time.monotonic() - start, 1),
        slowest_seconds=round(slowest, 3),
        outcomes={kind.value: outcomes[kind.value] for kind in Kind},
        errors=dict(errors.most_common()),
        failures=tuple(failures[:_KEPT_DETAILS]),
    )


def _prepare(work: Path) -> Folders:
    folders = Folders.below(work)
    write_checkpoint(folders.checkpoint, seed=0)
    write_bundle(folders.checkpoint, folders.bundle)
    write_checkpoint(work / "second", seed=1)
    write_bundle(work / "second", folders.other)
    return folders


def _inputs(target: str, folders: Folders, *, seed: int, regions: int, count: int) -> Iterator[bytes]:
    if target in (TAMPER, REHASHED):
        files = sorted(Sandbox(folders.bundle).originals)
        return map(dump, tamperings(files, regions=regions, rehash=target == REHASHED))
    subject = all_subjects()[target](folders)
    made: Iterable[bytes] = (subject.make(random.Random(f"{seed} {number}")) for number in itertools.count())
    return itertools.islice(made, count)


def _failure(outcome: Outcome, content: bytes, keep: Path | None) -> Failure:
    name = hashlib.sha256(content).hexdigest()
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        (keep / name).write_bytes(content)
    return Failure(kind=outcome.kind.value, detail=outcome.detail, input=name)


class _Child:
    """A worker with its own copies of the folders, started again after each input that it did not survive."""

    def __init__(self, target: str, work: Path) -> None:
        self._target = target
        self._work = work
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def ask(self, content: bytes, *, limit: float) -> Outcome:
        """Return what became of one input."""
        process = self._process or self._start()
        if process.stdin is None:
            raise RuntimeError("the child has no input")
        try:
            process.stdin.write(struct.pack("<Q", len(content)) + content)
            process.stdin.flush()
            line = self._read_line(process, limit)
        except BrokenPipeError:
            line = b""
        if line is None:
            self._stop()
            return Outcome(Kind.HANG, f"no answer in {limit:g} s")
        if not line:
            code = process.wait()
            self._stop()
            return Outcome(Kind.CRASH, f"the process ended with {code}")
        answer = json.loads(line)
        return Outcome(Kind(answer["kind"]), answer["detail"])

    def _start(self) -> subprocess.Popen[bytes]:
        here, copy = Folders.below(self._work), self._work / "child"
        shutil.rmtree(copy, ignore_errors=True)
        for folder in (here.bundle, here.checkpoint, here.other):
            shutil.copytree(folder, copy / folder.name)
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.hardening.fuzzing.worker", self._target, copy],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        if self._read_line(process, _START_SECONDS) != b"ready\n":
            process.kill()
            process.wait()
            raise RuntimeError(f"the child for {self._target} does not start")
        self._process = process
        return process

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    @staticmethod
    def _read_line(process: subprocess.Popen[bytes], limit: float) -> bytes | None:
        """Return a line, nothing where the child has ended, None where it says nothing for `limit` seconds."""
        if process.stdout is None:
            raise RuntimeError("the child has no output")
        # Twice, so that a pause of the whole machine, which ends a wait at once, is no hang.
        for _ in range(2):
            if select.select([process.stdout], [], [], limit / 2)[0]:
                return process.stdout.readline()
        return None
