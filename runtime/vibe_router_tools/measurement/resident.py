"""The resident set size of this process, in bytes."""

from __future__ import annotations

import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_ROLLUP = Path("/proc/self/smaps_rollup")


def peak_resident() -> int | None:
    """Return the most that was in RAM at a time since this program started; None where the system does not tell.

    On Linux this is VmHWM: what `getrusage` calls ru_maxrss starts with the parent's size and so cannot be used for
    a child of a large process.
    """
    if _STATUS.exists():
        return _status("VmHWM")
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def current_resident() -> int | None:
    """Return what is in RAM now; None where only the peak is told (macOS) or nothing (Windows).

    On Linux the pages are counted (smaps_rollup, where the system has it). VmRSS is a sum of counters that each CPU
    brings up to date now and then; proc(5) calls it inaccurate.
    """
    if _ROLLUP.exists():
        return _kibibytes(_ROLLUP, "Rss")
    return _status("VmRSS") if _STATUS.exists() else None


def _status(field: str) -> int | None:
    return _kibibytes(_STATUS, field)


def _kibibytes(file: Path, field: str) -> int | None:
    for line in file.read_text("utf-8").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    return None
