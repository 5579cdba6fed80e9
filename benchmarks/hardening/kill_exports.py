"""Exports killed with SIGKILL at random moments: what is at the target afterwards, and what is left next to it."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

from vibe_router.bundle.bundle import bundled_folder, open_bundle
from vibe_router.bundle.manifest import MANIFEST_NAME
from vibe_router.errors import BundleNotFoundError, VibeRouterError
from vibe_router.progress import Progress, ProgressCallback
from vibe_router.router import Router
from vibe_router_export.choices import Size
from vibe_router_export.synthetic.checkpoint import write_random_checkpoint
from vibe_router_tools.atomic.write import clean, leftovers

_PROMPT = "Which of the two bundles is this?"
# How long after the manifest is written the last window is: flushing, renaming, removing the old bundle.
_COMMIT_SECONDS = 0.06
_TOKENS = "64"


class Command(Enum):
    """The export that is killed. `COREML` adds a package of 64 tokens to a bundle, or makes one with both engines."""

    ONNX = "onnx"
    COREML = "coreml"


class Window(Enum):
    """The part of an export in which its moment is drawn."""

    RUN = "from start to end"
    BUILDING = "while files are written"
    COMMITTING = "after the manifest is written"


class Found(Enum):
    """What stands at the target."""

    ABSENT = "absent"
    OLD = "old, whole"
    NEW = "new, whole"
    REFUSED = "refused with a typed error"
    WRONG = "loads and is wrong"


@dataclass(frozen=True, kw_only=True)
class Killed:
    """One export. `seconds` is counted from the beginning of the window; `finished` says the kill came too late."""

    window: str
    replacing: bool
    seconds: float
    finished: bool
    exit_code: int
    found: str
    left: int
    left_after_cleaning: int


@dataclass(frozen=True, kw_only=True)
class KillReport:
    """All of them. `wrong` counts targets that are neither absent nor one of the two bundles, byte for byte."""

    command: str
    moments: int
    seed: int
    export_seconds: float
    found: dict[str, int]
    wrong: int
    left: int
    left_after_cleaning: int
    last_export_whole: bool
    exports: tuple[Killed, ...]


def kill_exports(
    work: Path, *, command: Command, moments: int, seed: int, progress: ProgressCallback | None = None
) -> KillReport:
    """Kill `moments` exports of a nano-size checkpoint, half of them with --force over an older bundle.

    `work` is an empty folder; it holds the bundles while this runs.

    Raises:
        RuntimeError: an export that nobody kills fails.
    """
    draw = random.Random(seed)
    old, new, seconds = _make_bundles(work, command, seed=seed)
    done = []
    for number in range(moments):
        window = list(Window)[number % len(Window)]
        replacing = number % 2 == 1
        done.append(_kill_one(work, command, old, new, window, replacing=replacing, duration=seconds, draw=draw))
        if progress is not None:
            progress(Progress(number + 1, moments))
    target = work / "target"
    last = _export(command, work / "checkpoint-new", target).wait()
    whole = last == 0 and _look(target, old, new) is Found.NEW and not leftovers(target)
    return KillReport(
        command=command.value,
        moments=moments,
        seed=seed,
        export_seconds=seconds,
        found=dict(Counter(one.found for one in done)),
        wrong=sum(one.found in (Found.WRONG.value, Found.REFUSED.value) for one in done),
        left=sum(one.left for one in done),
        left_after_cleaning=sum(one.left_after_cleaning for one in done),
        last_export_whole=whole,
        exports=tuple(done),
    )


def report_fields(report: KillReport) -> dict[str, object]:
    """Return a report as JSON values."""
    return asdict(report)


def _make_bundles(work: Path, command: Command, *, seed: int) -> tuple[Path, Path, float]:
    """Export both bundles without disturbance and return them, and how long the second export takes.

    The older one is of another checkpoint; for Core ML it is the ONNX bundle that a package is added to.
    """
    tokenizer = bundled_folder() / "tokenizer.json"
    for name, weights in (("old", seed), ("new", seed + 1)):
        checkpoint = work / f"checkpoint-{name}"
        write_random_checkpoint(checkpoint, size=Size.NANO, seed=weights, outliers=None, tokenizer=tokenizer)
    if command is Command.ONNX:
        older = _export(Command.ONNX, work / "checkpoint-old", work / "old")
    else:
        older = _export(Command.ONNX, work / "checkpoint-new", work / "old", "--max-tokens", _TOKENS)
    _finish(older)
    start = time.monotonic()
    _finish(_export(command, work / "checkpoint-new", work / "new"))
    seconds = time.monotonic() - start
    return work / "old", work / "new", seconds


def _finish(process: subprocess.Popen[bytes]) -> None:
    if process.wait() != 0:
        raise RuntimeError(f"an export that nobody killed ended with exit code {process.returncode}")


def _export(command: Command, checkpoint: Path, target: Path, *options: str) -> subprocess.Popen[bytes]:
    code = "from vibe_router_export.cli import main; main()"
    lengths = ["--lengths", _TOKENS] if command is Command.COREML else []
    arguments: list[str | Path] = [checkpoint, "-o", target, "--reference", "none", "--force", *lengths, *options]
    return subprocess.Popen(
        [sys.executable, "-c", code, command.value, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # So that an export gives the same bytes each time. The module path is that of this process.
        env={**os.environ, "SOURCE_DATE_EPOCH": "0", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def _kill_one(
    work: Path,
    command: Command,
    old: Path,
    new: Path,
    window: Window,
    *,
    replacing: bool,
    duration: float,
    draw: random.Random,
) -> Killed:
    target = work / "target"
    shutil.rmtree(target, ignore_errors=True)
    if replacing:
        shutil.copytree(old, target)
    start = time.monotonic()
    process = _export(command, work / "checkpoint-new", target)
    if window is Window.RUN:
        seconds = draw.uniform(0, duration)
    elif window is Window.BUILDING:
        began = _wait(process, lambda: bool(leftovers(target)))
        seconds = draw.uniform(0, max(0.0, duration - (began - start)))
    else:
        _wait(process, lambda: any(_has_manifest(place / "new", command) for place in leftovers(target)))
        seconds = draw.uniform(0, _COMMIT_SECONDS)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    found, left = _look(target, old, new), len(leftovers(target))
    clean(target)
    if not replacing and found is Found.OLD:
        found = Found.WRONG
    return Killed(
        window=window.value,
        replacing=replacing,
        seconds=seconds,
        finished=process.returncode == 0,
        exit_code=process.returncode,
        found=found.value,
        left=left,
        left_after_cleaning=len(leftovers(target)),
    )


def _wait(process: subprocess.Popen[bytes], happened: Callable[[], bool]) -> float:
    while process.poll() is None and not happened():
        time.sleep(0.002)
    return time.monotonic()


def _has_manifest(folder: Path, command: Command) -> bool:
    """Whether the manifest is there that the export ends with; Core ML's begins with that of the ONNX bundle."""
    try:
        return f'"kind": "{command.value}"' in (folder / MANIFEST_NAME).read_text("utf-8")
    except OSError:
        return False


def _look(target: Path, old: Path, new: Path) -> Found:
    """Return which bundle stands at `target`: its manifest's bytes, every file's hash, and that it routes."""
    try:
        opened = open_bundle(target)
        opened.check()
        with Router.load(target, threads=1) as router:
            router.route(_PROMPT)
    except BundleNotFoundError:
        return Found.REFUSED if target.exists() else Found.ABSENT
    except VibeRouterError:
        return Found.REFUSED
    manifest = (target / MANIFEST_NAME).read_bytes()
    if manifest == (old / MANIFEST_NAME).read_bytes():
        return Found.OLD
    return Found.NEW if manifest == (new / MANIFEST_NAME).read_bytes() else Found.WRONG
