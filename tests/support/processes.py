"""Processes that a process has started, found through /proc."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random


@dataclass(frozen=True)
class Child:
    """A process, its parent, and its command line."""

    pid: int
    parent: int
    command: str


def descendants(root: int | None = None) -> dict[int, Child]:
    """Return the processes below `root`, by default below this process."""
    root = os.getpid() if root is None else root
    found: dict[int, Child] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text()
                command = (folder / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            pid = int(folder.name)
            found[pid] = Child(pid, int(stat.rsplit(")", 1)[1].split()[1]), command)

    def is_below(pid: int) -> bool:
        while pid in found and pid != root:
            pid = found[pid].parent
        return pid == root

    return {pid: child for pid, child in found.items() if pid != root and is_below(pid)}


def kill_tree(root: int) -> None:
    """Kill a process and all below it, at once, as a machine that loses its power does."""
    for pid in (root, *descendants(root)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@contextmanager
def killed_at_random(find: Callable[[], list[int]], count: int) -> Iterator[list[int]]:
    """Kill one process of those that `find` returns, at random moments, `count` times; yield the ids so far."""
    chance = Random(0)
    killed: list[int] = []
    over = threading.Event()

    def kill() -> None:
        while len(killed) < count and not over.wait(chance.uniform(0.2, 1.0)):
            pids = find()
            if pids:
                pid = chance.choice(pids)
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue  # it ended between the two
                killed.append(pid)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield killed
    finally:
        over.set()
        killer.join()
