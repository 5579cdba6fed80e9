"""A call for many prompts that ends early, or in a child, leaves nothing behind: no work, no lock, no router."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import vibe_router.routing.scoring
from tests.support.native import needs_native_engine
from tests.support.parallel import MANY, ParallelEngine, logits, router_of
from vibe_router import Router
from vibe_router.text.protocol import Prompt

SCORING = vibe_router.routing.scoring.__file__


@pytest.mark.parametrize("timeout", [None, 60.0])
def test_nothing_keeps_a_router_that_nobody_has_any_more(tiny_bundle: Path, timeout: float | None) -> None:
    # What counts lines looks into the frames of a function's first calls, and keeps what it finds there.
    for _ in range(3):
        with router_of(tiny_bundle, ParallelEngine()) as other:
            other.route_many(MANY, timeout=timeout)
    gc.collect()
    gc.disable()
    try:
        router = router_of(tiny_bundle, ParallelEngine())
        router.route_many(MANY, timeout=timeout)
        workers, freed = router._scorer.here()._workers, weakref.ref(router._scorer.here())
        assert workers is not None
        while workers._queue._waiting or any(seat.job for seat in workers._queue._seats):
            time.sleep(0.001)
        del router
        assert freed() is None
    finally:
        gc.enable()


class InterruptionError(BaseException):
    """What a signal handler raises."""


def test_an_interrupted_caller_leaves_no_work_behind(tiny_bundle: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def wait(_: Sequence[Prompt]) -> None:
        begun.set()
        go_on.wait(60)

    def source() -> Iterator[str]:
        yield from MANY
        begun.wait(60)
        raise InterruptionError

    engine = ParallelEngine(wait)
    with router_of(tiny_bundle, engine) as router:
        with pytest.raises(InterruptionError):
            router.route_many(source())
        go_on.set()
        workers = router._scorer.here()._workers
        assert workers is not None
        while any(seat.job for seat in workers._queue._seats) or workers._queue._waiting:
            time.sleep(0.001)
    # Each helper ended the batch that it had begun.
    assert engine.prompts < len(MANY) / 2


@pytest.mark.parametrize("timeout", [None, 60.0])
def test_an_exception_at_any_line_of_a_call_leaves_the_router_whole(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, timeout: float | None
) -> None:
    monkeypatch.setattr(vibe_router.routing.scoring, "_PORTION", 8)
    with router_of(tiny_bundle, ParallelEngine()) as router:
        expected = logits(router.route_many(MANY))
        for place in range(2000):
            left = place

            def trace(frame: FrameType, event: str, _: Any) -> Any:
                nonlocal left
                if frame.f_code.co_filename != SCORING:
                    return None
                if event == "line":
                    left -= 1
                    if left < 0:
                        sys.settrace(None)
                        raise InterruptionError
                return trace

            before = sys.gettrace()
            sys.settrace(trace)
            try:
                router.route_many(MANY[:40], timeout=timeout)
                break
            except InterruptionError:
                pass
            finally:
                sys.settrace(before)
            if place % 10 == 0:
                assert logits(router.route_many(MANY)) == expected
        else:
            pytest.fail("the call has more lines than this test knows")
        assert place > 100
        assert logits(router.route_many(MANY)) == expected


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("timeout", [None, 60.0])
def test_a_child_that_is_forked_while_prompts_are_read_decides_them_all(
    tiny_bundle: Path, timeout: float | None
) -> None:
    children: list[int] = []
    begun, forked = threading.Event(), threading.Event()

    def wait(_: Sequence[Prompt]) -> None:
        begun.set()
        forked.wait(60)

    def source() -> Iterator[str]:
        yield from MANY[:300]
        begun.wait(60)
        children.append(os.fork())
        forked.set()
        if children[0] == 0:
            signal.alarm(60)
        yield from MANY[300:]

    with router_of(tiny_bundle, ParallelEngine()) as router:
        expected = logits(router.route_many(MANY))
    with router_of(tiny_bundle, ParallelEngine(wait)) as router:
        decided = logits(router.route_many(source(), timeout=timeout))
        if children[0] == 0:
            os._exit(0 if decided == expected else 1)
    assert decided == expected
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0


@needs_native_engine
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("engine", ["native-cpu", "onnx-cpu"])
def test_such_a_child_uses_its_own_engine(engine: str) -> None:
    def source() -> Iterator[str]:
        yield from MANY[:140]
        child = os.fork()
        if child == 0:
            signal.alarm(60)
        children.append(child)
        yield from MANY[140:200]

    children: list[int] = []
    with Router.load(engine=engine, threads=2) as router:
        expected = [one.target for one in router.route_many(MANY[:200])]
        status = 1
        try:
            decided = [one.target for one in router.route_many(source())]
            status = 0 if decided == expected else 2
        finally:
            if children[0] == 0:
                os._exit(status)
    assert decided == expected
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0
