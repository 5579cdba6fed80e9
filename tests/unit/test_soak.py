from __future__ import annotations

import gc
import time
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.hardening.soak.faults import Fault, FaultyEngine
from benchmarks.hardening.soak.report import merge_runs, parse_runs
from benchmarks.hardening.soak.requests import Request, make_requests
from benchmarks.hardening.soak.run import Plan, soak
from benchmarks.hardening.soak.trend import common_slope
from vibe_router import Router, Target
from vibe_router.policy import Reason

PROMPTS = ["one two three four five six", "seven eight nine ten", "日本語 and é", "quick brown fox"]
PLAN = Plan(routes=400, sample_every=20, threads=3, reload_every=120, seconds=600, seed=0)


@pytest.fixture(scope="module")
def requests(router: Router) -> list[Request]:
    made = make_requests(router, PROMPTS, count=60, seed=1)
    # Each way to fail twice.
    return [replace(one, fault=list(Fault)[place % 4] if place < 8 else None) for place, one in enumerate(made)]


def test_nothing_is_lost_or_wrong_with_reloads_and_faults(tiny_bundle: Path, requests: list[Request]) -> None:
    run = soak(tiny_bundle, requests, PLAN)
    assert (run.routes, run.answered, run.lost, run.duplicated, run.wrong) == (400, 400, 0, 0, 0), run.examples
    assert run.faults > 40
    assert run.reloads >= 1
    assert run.samples
    merged = merge_runs([run, *parse_runs({"runs": [{**merge_runs([run])["runs"][0], "routes": 5}]})])
    assert merged["routes"] == 405


def test_a_wrong_answer_is_noticed(tiny_bundle: Path, requests: list[Request]) -> None:
    wrong = [*requests[:20], replace(requests[20], p_cloud=requests[20].p_cloud + 1e-4), *requests[21:]]
    run = soak(tiny_bundle, wrong, replace(PLAN, routes=len(wrong)))
    assert run.wrong == 1
    assert "request 20" in run.examples[0]


def test_the_common_slope_of_runs_with_levels_of_their_own() -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, 100)
    runs = [[(float(x), level + 0.002 * x + noise[x]) for x in range(100)] for level in (5.0, 50.0)]
    slope = common_slope(runs)
    assert slope is not None
    assert slope.per_thousand == pytest.approx(2, abs=0.1)
    assert slope.low < slope.per_thousand < slope.high
    assert common_slope([[(1.0, 2.0)]]) is None


@pytest.mark.parametrize("timeout", [None, 5.0])
def test_failures_keep_no_closed_router_alive(
    tiny_bundle: Path, requests: list[Request], timeout: float | None
) -> None:
    raising = next(request for request in requests if request.fault is Fault.RAISE)
    gc.collect()
    gc.disable()
    try:
        loaded = Router.load(tiny_bundle, threads=1)
        router = Router(loaded.bundle, loaded.tokenizer, FaultyEngine(loaded.engine, {raising.ids: Fault.RAISE}))
        seen = weakref.ref(router)
        decision = router.route(raising.prompt, fallback=Target.DEVICE, timeout=timeout)
        assert decision.reason is Reason.FALLBACK
        router.close()
        del router
        # A thread of the router's own may be on its way out.
        for _ in range(100):
            if seen() is None:
                break
            time.sleep(0.01)
        assert seen() is None
    finally:
        gc.enable()
