"""Kill a process at each of its steps on the file system, and report what it leaves.

    python -m tests.support.crashes WORK new|replace|file exchange|renames

Each step is a child process that receives SIGKILL just before its n-th operation below WORK. The report is a JSON
list: for each n, what stands at the target after the kill, and after the next writer has come by.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from vibe_router_tools.atomic import write as staging

OLD, NEW, NEXT = "old", "new", "next"
_NAMES = ("marker", "a/first", "a/second")


def main(work: Path, scenario: str, method: str) -> None:
    if method == "renames":
        staging.exchange = lambda one, other: False  # noqa: ARG005 - as on a file system that cannot exchange
    steps = []
    for number in itertools.count(1):
        place = work / str(number)
        place.mkdir()
        target = place / "target"
        write: Callable[[Path, str], None] = _write_file if scenario == "file" else _write_folder
        if scenario != "new":
            write(target, OLD)
        child = os.fork()
        if child == 0:
            _die_at(number, place)
            write(target, NEW)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        step = {"killed": os.WIFSIGNALED(status), "found": _content(target), "left": _others(place)}
        staging.clean(target)
        step["cleaned"], step["left_after_cleaning"] = _content(target), _others(place)
        write(target, NEXT)
        step["next"], step["left_after_next"] = _content(target), _others(place)
        steps.append(step)
        if not step["killed"]:
            break
    sys.stdout.write(json.dumps(steps))


def _write_folder(target: Path, stamp: str) -> None:
    with staging.staged_folder(target, replace="marker") as folder:
        for name in _NAMES:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(stamp)


def _write_file(target: Path, stamp: str) -> None:
    staging.write_file(target, stamp.encode())


def _content(target: Path) -> str | None:
    """Return the stamp that all files of the target carry, None where it is absent, "mixture" where they differ."""
    if not target.exists():
        return None
    if target.is_file():
        return target.read_text()
    found = {path.relative_to(target).as_posix(): path.read_text() for path in target.rglob("*") if path.is_file()}
    stamps = set(found.values())
    return stamps.pop() if set(found) == set(_NAMES) and len(stamps) == 1 else "mixture"


def _others(place: Path) -> int:
    return sum(path.name != "target" for path in place.iterdir())


def _die_at(number: int, place: Path) -> None:
    count = itertools.count(1)

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        here = any(isinstance(value, (str, bytes)) and os.fspath(place) in os.fsdecode(value) for value in arguments)
        if (here or event.startswith("ctypes.")) and next(count) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
