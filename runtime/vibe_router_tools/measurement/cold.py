"""From process start to the first decision, in fresh processes, with files in the page cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vibe_router.engines.choice import EngineChoice
from vibe_router.engines.usage import Usage
from vibe_router.errors import EngineError, UsageError
from vibe_router_tools.measurement.timing import Timing, summarize

PHASES = ("interpreter", "imports", "integrity", "tokenizer", "session", "other", "first decision")
"""In order. `integrity` is reading the manifest, and waiting for what a thread hashes; `session` readies the engine."""


@dataclass(frozen=True)
class ColdRequest:
    """What the fresh process loads, with `Usage.ONCE` whatever the choice says, to decide one prompt."""

    choice: EngineChoice
    prompt: str

    def to_json(self) -> str:
        """Return what `cold_child` reads."""
        source = None if self.choice.source is None else os.fspath(self.choice.source)
        return json.dumps(asdict(self.choice) | {"source": source, "usage": Usage.ONCE.value, "prompt": self.prompt})


@dataclass(frozen=True, kw_only=True)
class ColdStart:
    """One fresh process: seconds by phase, and its peak resident bytes after the decision (null: not told)."""

    seconds: dict[str, float]
    peak_resident: int | None

    @property
    def total(self) -> float:
        """Seconds from process start to decision."""
        return sum(self.seconds.values())


@dataclass(frozen=True, kw_only=True)
class ColdSummary:
    """Total, and medians of each phase in milliseconds, of several fresh processes."""

    total: Timing
    phases_ms: dict[str, float]
    peak_resident: int | None


def cold_start(request: ColdRequest) -> ColdStart:
    """Start one fresh process and return where its time went.

    Raises:
        UsageError: this program is frozen, and so has no interpreter to start.
        EngineError: the process failed; the message has the end of what it said.
    """
    if getattr(sys, "frozen", False):
        raise UsageError("a frozen program has no interpreter to start", hint="measure with an installed vibe-router")
    return run_cold([sys.executable, "-m", "vibe_router_tools.measurement.cold_child"], request.to_json())


def run_cold(command: Sequence[str], request: str, *, environment: Mapping[str, str] | None = None) -> ColdStart:
    """Run `command` with the time now and `request` added; it answers as `cold_child` does.

    `environment` None means this process's.

    Raises:
        EngineError: it failed.
    """
    started = time.perf_counter()
    finished = subprocess.run([*command, repr(started), request], capture_output=True, text=True, env=environment)
    if finished.returncode:
        lines = finished.stderr.strip().splitlines() or [f"exit code {finished.returncode}"]
        raise EngineError(f"a fresh process failed: {lines[-1]}", hint="run `vibe-router verify` on this bundle")
    told: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return ColdStart(seconds=told["seconds"], peak_resident=told["peak_resident"])


def summarize_cold(starts: Sequence[ColdStart]) -> ColdSummary:
    """Return medians over at least one start."""
    peaks = [start.peak_resident for start in starts if start.peak_resident is not None]
    phases = list(starts[0].seconds)
    return ColdSummary(
        total=summarize([start.total for start in starts]),
        phases_ms={phase: float(np.median([start.seconds[phase] for start in starts])) * 1e3 for phase in phases},
        peak_resident=max(peaks, default=None),
    )
