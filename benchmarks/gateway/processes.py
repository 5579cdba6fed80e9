"""Servers as processes of their own, for a measurement's time."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vibe_router.errors import VibeRouterError

_PATIENCE_S = 180.0


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(command: list[str], port: int, *, log: Path, environment: dict[str, str] | None = None) -> Iterator[int]:
    """Run `command`, wait until it listens on `port`, give its process id, and end it.

    Raises:
        VibeRouterError: it ended, or does not listen in three minutes.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})}
        )
        try:
            _wait(process, port, log)
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def module(name: str, *arguments: str) -> list[str]:
    """Return the command of a module of this Python."""
    return [sys.executable, "-m", name, *arguments]


def resident_mib(pid: int) -> float:
    """Return a process's resident memory in MiB, from /proc."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    tail = log.read_text("utf-8", "replace")[-500:]
    raise VibeRouterError(f"a server does not listen on {port}: {tail}", hint="look at its options")
