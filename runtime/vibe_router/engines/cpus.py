"""How many threads an engine takes where nobody says."""

from __future__ import annotations

import os


def available_cpus() -> int:
    """Return how many CPUs this process may use: its affinity where the system has one, else all of them."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1
