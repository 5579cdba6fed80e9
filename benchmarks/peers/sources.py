"""Sources of a measurement: a checkpoint, a bundle of it, or both; and the folder of prepared files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.peers.contenders.definition import Contender
from benchmarks.peers.contenders.scorer import Load
from benchmarks.peers.outcome import Status
from benchmarks.peers.present import NOT_INSTALLED
from vibe_router.bundle.bundle import open_bundle
from vibe_router.bundle.manifest import MANIFEST_NAME
from vibe_router.errors import UsageError
from vibe_router.text.tokenizer import PromptTokenizer

_ROOT = Path(__file__).resolve().parents[2]
WORK = _ROOT / "build" / "benchmarks"


class NotMeasurableError(Exception):
    """A contender cannot run here, or with what was given; the message says why."""

    status = Status.NOT_HERE


class NotInstalledError(NotMeasurableError):
    """A library that a contender needs is not installed."""

    status = Status.NOT_INSTALLED

    def __init__(self, modules: str) -> None:
        super().__init__(f"not installed: {modules}")


class NotPreparedError(NotMeasurableError):
    """Making a contender's files of the checkpoint failed."""

    status = Status.FAILED


@dataclass(frozen=True, kw_only=True)
class Sources:
    """At least one of `checkpoint` and `bundle` is given. `pythons` maps a family to another interpreter."""

    checkpoint: Path | None
    bundle: Path | None
    work: Path = WORK
    pythons: Mapping[str, Path] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The checkpoint's or bundle's folder name."""
        folder = self.checkpoint or self.bundle
        return "" if folder is None else folder.name

    def tokenizer(self) -> PromptTokenizer:
        """Return the tokenizer that all contenders share."""
        folder = self.bundle or self.checkpoint
        if folder is None:
            raise UsageError("nothing to measure", hint="give a checkpoint's folder, a bundle's, or both")
        limit = open_bundle(self.bundle).manifest.max_tokens if self.bundle else 512
        return PromptTokenizer((folder / "tokenizer.json").read_bytes(), max_tokens=limit)

    def python(self, contender: Contender) -> Path:
        """Return the interpreter that runs a contender."""
        return self.pythons.get(contender.family, Path(sys.executable))

    def require(self, contender: Contender) -> None:
        """Ask the contender's interpreter whether it has what the contender imports.

        Raises:
            NotInstalledError: it has not.
        """
        command = [str(self.python(contender)), "-m", "benchmarks.peers.present", *contender.modules]
        finished = subprocess.run(command, capture_output=True, text=True, env=environment(threads=1))
        if finished.returncode == NOT_INSTALLED:
            raise NotInstalledError(finished.stderr.strip())

    def load(self, contender: Contender, *, threads: int) -> Load:
        """Return what a contender loads, and prepare it first where that has not been done.

        A bundle serves the contenders that it has a file for, the checkpoint all others.

        Raises:
            NotInstalledError: preparing it needs a library that is not installed.
            NotPreparedError: preparing it failed.
            NotMeasurableError: this is not a machine for it, or it needs a checkpoint or bundle that was not given.
        """
        obstacle = contender.obstacle()
        if obstacle is not None:
            raise NotMeasurableError(obstacle)
        if self.bundle is not None and any(map(contender.reads, open_bundle(self.bundle).manifest.engines)):
            return Load(checkpoint=self.checkpoint, bundle=self.bundle, artifact=None, threads=threads)
        if contender.family == "ours" and contender.artifact is None:
            raise NotMeasurableError("needs a bundle that holds it")
        if self.checkpoint is None:
            raise NotMeasurableError("needs the checkpoint, and only a bundle was given")
        artifact = None if contender.artifact is None else self._prepared(contender, self.checkpoint)
        return Load(checkpoint=self.checkpoint, bundle=None, artifact=artifact, threads=threads)

    def _prepared(self, contender: Contender, checkpoint: Path) -> Path:
        target = self.work / checkpoint.resolve().name / str(contender.artifact)
        if target.exists():
            return target
        command = [
            str(self.python(contender)),
            "-m",
            "benchmarks.peers.prepare",
            contender.key,
            str(checkpoint),
            str(target),
        ]
        finished = subprocess.run(command, capture_output=True, text=True, env=environment(threads=1))
        if finished.returncode:
            last = (finished.stderr.strip().splitlines() or [f"exit code {finished.returncode}"])[-1]
            if finished.returncode == NOT_INSTALLED:
                raise NotInstalledError(last)
            raise NotPreparedError(f"preparing failed: {last}")
        return target


def read_sources(arguments: Sequence[str], *, work: Path | None, pythons: Sequence[str]) -> Sources:
    """Tell checkpoints from bundles by what is in the folders; `pythons` are FAMILY=INTERPRETER.

    Raises:
        UsageError: a folder is neither, there are two of a kind, or an option has another form.
    """
    found: dict[str, Path] = {}
    for argument in arguments:
        folder = Path(argument)
        kind = "bundle" if (folder / MANIFEST_NAME).is_file() else "checkpoint"
        if kind == "checkpoint" and not (folder / "config.json").is_file():
            raise UsageError(f"{argument} is neither a checkpoint nor a bundle", hint="pass the folder of one")
        if kind in found:
            raise UsageError(f"{found[kind]} and {argument} are both a {kind}", hint="give at most one of each")
        found[kind] = folder.resolve()
    interpreters = {}
    for text in pythons:
        family, equals, path = text.partition("=")
        if not equals:
            raise UsageError(f"{text!r} is not FAMILY=INTERPRETER", hint="for example openvino=venv/bin/python")
        # Not resolved: a virtual environment's interpreter is a link, and where it lies is what makes it one.
        interpreters[family] = Path(path).absolute()
    return Sources(
        checkpoint=found.get("checkpoint"),
        bundle=found.get("bundle"),
        work=(work or WORK).resolve(),
        pythons=interpreters,
    )


def environment(*, threads: int) -> dict[str, str]:
    """Return the environment of every child: this tree importable, no network, as many threads as asked for."""
    ours = [str(_ROOT), *(str(_ROOT / part) for part in ("runtime", "export", "training"))]
    inherited = os.environ.get("PYTHONPATH")
    return os.environ | {
        "PYTHONPATH": os.pathsep.join([*ours, *([inherited] if inherited else [])]),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        # Installed packages are compiled; a first start that is not counted makes this tree so too.
        "PYTHONDONTWRITEBYTECODE": "",
        "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
    }
