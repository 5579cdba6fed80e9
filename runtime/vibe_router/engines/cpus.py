"""The default number of threads of an engine."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUP = Path("/proc/self/cgroup")
_CGROUPS = Path("/sys/fs/cgroup")


def available_cpus() -> int:
    """Return how many CPUs this process may use: its affinity and its container's quota, else all of them.

    A quota of 1.5 CPUs means one: the kernel would halt both of two threads for the rest of each period.
    """
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota(_CGROUP, _CGROUPS)
    return max(1, cpus if quota is None else min(cpus, int(quota)))


def cpu_quota(membership: Path, cgroups: Path) -> float | None:
    """Return the CPUs that cgroup v2 grants this process, the smallest quota on the way to the root; None: no limit.

    `membership` is a file such as /proc/self/cgroup, and `cgroups` the folder of the hierarchy.
    """
    try:
        lines = membership.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return None
    own = [line.removeprefix("0::").strip("/") for line in lines if line.startswith("0::")]
    if not own:
        return None
    folder = cgroups / own[0]
    # Within a container the path can be the host's, which is not there; the container's own limit is at the root.
    quotas = [_quota(place / "cpu.max") for place in (folder, *folder.parents) if place.is_relative_to(cgroups)]
    return min((quota for quota in quotas if quota is not None), default=None)


def _quota(file: Path) -> float | None:
    """Return the quota in a file `cpu.max`, "MICROSECONDS PERIOD" or "max PERIOD"; None without a limit."""
    try:
        quota, period = file.read_text(encoding="ascii").split()
        return int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None
