"""Route from several threads while the bundle is reloaded under them; count, compare, sample memory and latency."""

from __future__ import annotations

import itertools
import os
import random
import resource
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.hardening.soak.faults import FaultyEngine
from benchmarks.hardening.soak.requests import Request, is_right
from vibe_router.errors import EngineError
from vibe_router.policy import Decision, Reason, Target
from vibe_router.progress import Progress, ProgressCallback
from vibe_router.router import Router

_BATCH = 8
# Of a hundred steps of a thread, so many route a batch instead of one prompt.
_BATCH_SHARE = 3
_KEPT_WRONG = 10


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One run: `routes` requests from `threads` threads, a reload after each `reload_every` of them.

    Memory and latency are sampled after each `sample_every`; the run ends early after `seconds`.
    """

    routes: int
    sample_every: int
    threads: int
    reload_every: int
    seconds: float
    seed: int


@dataclass(kw_only=True)
class Run:
    """What happened. `samples` are [routes, resident MiB, median ms, 99th percentile ms] of a stretch of the run.

    `retried` calls met a router that was closed under them and were sent to the new one.
    """

    routes: int = 0
    answered: int = 0
    lost: int = 0
    duplicated: int = 0
    wrong: int = 0
    faults: int = 0
    retried: int = 0
    reloads: int = 0
    seconds: float = 0.0
    samples: list[tuple[int, float, float, float]] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)


class _Reloaded:
    """The router of the moment, replaced under its users."""

    def __init__(self, bundle: Path | None, requests: Sequence[Request]) -> None:
        self._bundle = bundle
        self._faults = {request.ids: request.fault for request in requests if request.fault is not None}
        self.router = self._load()

    def reload(self) -> None:
        """Load the bundle again, let callers have it, close the old one while calls of it may run."""
        old, self.router = self.router, self._load()
        old.close()

    def _load(self) -> Router:
        loaded = Router.load(self._bundle, threads=1)
        return Router(loaded.bundle, loaded.tokenizer, FaultyEngine(loaded.engine, self._faults), at_once=4)


def soak(
    bundle: Path | None, requests: Sequence[Request], plan: Plan, *, progress: ProgressCallback | None = None
) -> Run:
    """Route until `plan.routes` requests are answered or `plan.seconds` have passed."""
    shared = _Reloaded(bundle, requests)
    run, lock = Run(), threading.Lock()
    answers = np.zeros(plan.routes, np.uint8)
    handed_out = itertools.count()
    latencies: list[float] = []
    start = time.monotonic()
    stop = threading.Event()

    def take(count: int) -> list[int]:
        with lock:
            taken = [number for number in itertools.islice(handed_out, count) if number < plan.routes]
            run.routes += len(taken)
            return taken

    def settle(numbers: Sequence[int], decisions: Sequence[Decision], milliseconds: float) -> None:
        with lock:
            for number, decision in zip(numbers, decisions, strict=True):
                request = requests[number % len(requests)]
                answers[number] += 1
                run.faults += request.fault is not None
                if not is_right(decision, request):
                    run.wrong += 1
                    if len(run.examples) < _KEPT_WRONG:
                        run.examples.append(f"request {number}, {request.fault}: {decision}")
            if len(numbers) == 1 and requests[numbers[0] % len(requests)].fault is None:
                latencies.append(milliseconds)

    def ask(numbers: Sequence[int]) -> None:
        asked = [requests[number % len(requests)] for number in numbers]
        while True:
            router = shared.router
            began = time.perf_counter()
            decisions = _route(router, asked)
            took = 1e3 * (time.perf_counter() - began)
            closed = router is not shared.router and any(
                decision.reason is Reason.FALLBACK and request.fault is None
                for decision, request in zip(decisions, asked, strict=True)
            )
            if not closed:
                settle(numbers, decisions, took)
                return
            with lock:
                run.retried += 1

    def work(number: int) -> None:
        draw = random.Random(f"{plan.seed} {number}")
        while not stop.is_set() and (taken := take(_BATCH if draw.randrange(100) < _BATCH_SHARE else 1)):
            ask(taken)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(plan.threads)]
    for thread in threads:
        thread.start()
    next_sample = plan.sample_every
    next_reload = plan.reload_every
    while any(thread.is_alive() for thread in threads):
        time.sleep(0.02)
        if time.monotonic() - start > plan.seconds:
            stop.set()
        done = run.routes
        if done >= next_sample:
            next_sample = done + plan.sample_every
            with lock:
                recent, latencies[:] = list(latencies), []
            if recent:
                median, slow = np.percentile(recent, (50, 99)).tolist()
                run.samples.append((done, round(resident_mib(), 2), round(median, 3), round(slow, 3)))
            if progress is not None:
                progress(Progress(done, plan.routes))
        if done >= next_reload and not stop.is_set():
            next_reload = done + plan.reload_every
            shared.reload()
            run.reloads += 1
    for thread in threads:
        thread.join()
    shared.router.close()
    run.answered = int(np.count_nonzero(answers))
    run.lost = run.routes - run.answered
    run.duplicated = int(np.count_nonzero(answers > 1))
    run.seconds = round(time.monotonic() - start, 1)
    return run


def resident_mib() -> float:
    """Return the resident memory of this process; on systems without /proc its peak so far."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
    return pages * os.sysconf("SC_PAGESIZE") / 2**20


def _route(router: Router, asked: Sequence[Request]) -> list[Decision]:
    try:
        if len(asked) == 1:
            (request,) = asked
            return [router.route(request.prompt, fallback=Target.DEVICE, timeout=request.timeout)]
        if any(request.timeout is not None for request in asked):
            return [decision for request in asked for decision in _route(router, [request])]
        return router.route_many([request.prompt for request in asked], fallback=Target.DEVICE)
    except EngineError as error:
        raise AssertionError("a fallback was given, and an engine's failure was raised") from error
