"""Fresh processes from their start to the decision that they print, and the memory of one that waits there."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PIPE_BYTES = 4096
"""What a pipe of the smallest size holds."""


class FreshProcessError(RuntimeError):
    """A process ended without a decision."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes of a process that has decided and not ended: in all, and without the mapped file."""

    resident: int
    beside_the_file: int


def milliseconds_to_decision(command: Sequence[str], environment: Mapping[str, str]) -> float:
    """Return how long a command takes from its start to the first bytes that it writes.

    Raises:
        FreshProcessError: it writes nothing.
    """
    reader, writer = os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, writer, 1), (os.POSIX_SPAWN_CLOSE, reader)]
    began = time.perf_counter()
    process = os.posix_spawnp(command[0], list(command), dict(environment), file_actions=actions)
    os.close(writer)
    try:
        written = os.read(reader, 4096)
        took = time.perf_counter() - began
        # The rest, or the process would write to a closed pipe.
        while os.read(reader, 4096):
            pass
    finally:
        os.close(reader)
        _, status = os.waitpid(process, 0)
    if not written or status:
        raise FreshProcessError(f"{command[0]} ended with status {status} and wrote {len(written)} bytes")
    return took * 1e3


def memory_at_decision(command: Sequence[str], mapped: Path) -> Memory:
    """Return the memory of a command while it writes its decision, which a full pipe holds up.

    Raises:
        FreshProcessError: it ends before.
    """
    import fcntl

    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    os.write(writer, b" " * _PIPE_BYTES)
    process = subprocess.Popen(command, stdout=writer)
    os.close(writer)
    try:
        _wait_until_it_writes(process)
        return _memory(process.pid, mapped)
    finally:
        with os.fdopen(reader, "rb") as rest:
            rest.read()
        process.wait()


def _wait_until_it_writes(process: subprocess.Popen[bytes]) -> None:
    place = Path(f"/proc/{process.pid}/wchan")
    while process.poll() is None:
        if "pipe" in place.read_text():
            return
        time.sleep(0.005)
    raise FreshProcessError(f"it ended with {process.returncode} before it was looked at")


def _memory(process: int, mapped: Path) -> Memory:
    """Add up the resident bytes of the mappings (proc(5), smaps)."""
    resident = of_the_file = 0
    in_the_file = False
    for line in Path(f"/proc/{process}/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            in_the_file = line.endswith(str(mapped.resolve()))
        elif line.startswith("Rss:"):
            bytes_here = int(line.split()[1]) * 1024
            resident += bytes_here
            of_the_file += bytes_here if in_the_file else 0
    return Memory(resident=resident, beside_the_file=resident - of_the_file)
