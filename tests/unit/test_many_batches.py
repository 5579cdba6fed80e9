"""Many prompts, several batches at a time: the same decisions, and nothing is lost, waits or goes on in vain."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import vibe_router.routing.deadline
from tests.support.native import native_bundle, native_checkpoint, needs_native_engine
from tests.support.parallel import AT_ONCE, MANY, ParallelEngine, logits, router_of
from tests.support.prompts import mixed_prompts
from vibe_router import Reason, Router, Target
from vibe_router.engines.cancellation import CURRENT_STOP
from vibe_router.errors import DeadlineError, EngineError, PromptError
from vibe_router.text.protocol import Prompt


@pytest.mark.parametrize("timeout", [None, 60.0])
def test_as_many_batches_run_at_a_time_as_the_engine_wants(tiny_bundle: Path, timeout: float | None) -> None:
    together = threading.Barrier(AT_ONCE)
    engine, begun = ParallelEngine(), itertools.count()

    def meet(_: Sequence[Prompt]) -> None:
        if next(begun) < AT_ONCE:
            together.wait(60)

    engine.trouble = meet
    with router_of(tiny_bundle, engine) as router:
        decided = router.route_many(MANY, timeout=timeout)
        assert logits(decided) == [float(router.tokenizer.encode(prompt).tokens) for prompt in MANY]
    assert engine.most == AT_ONCE
    assert engine.prompts == len(MANY)


def test_the_caller_waits_for_batches_of_other_threads(tiny_bundle: Path) -> None:
    engine, caller, begun = ParallelEngine(), threading.get_ident(), threading.Event()
    held: list[int] = []

    def finish_last(prompts: Sequence[Prompt]) -> None:
        if threading.get_ident() == caller:
            begun.wait(60)
        else:
            held.append(len(prompts))
            begun.set()
            while engine.prompts + sum(held) < len(MANY):
                time.sleep(0.001)

    engine.trouble = finish_last
    with router_of(tiny_bundle, engine) as router:
        assert len(router.route_many(MANY)) == len(MANY)
    assert held
    assert (engine.prompts, engine.by_all) == (len(MANY), 0)


def test_all_threads_compute_one_batch_of_few_prompts(tiny_bundle: Path) -> None:
    engine = ParallelEngine()
    with router_of(tiny_bundle, engine) as router:
        router.route_many(MANY[:10])
        router.route_many(MANY[:10], timeout=60.0)
    assert (engine.threads, engine.by_all) == (set(), 2)


@pytest.mark.parametrize("fallback", [Target.DEVICE, None])
def test_a_batch_that_never_ends_does_not_hold_a_caller_with_a_timeout(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, fallback: Target | None
) -> None:
    over, hung = threading.Event(), threading.Event()
    long = " ".join(["word"] * 40)
    prompts = [long, *MANY]
    held: list[int] = []
    engine = ParallelEngine()

    def hang(batch: Sequence[Prompt]) -> None:
        if max(prompt.tokens for prompt in batch) > 30:
            held.append(len(batch))
            hung.set()
            over.wait(60)

    def now() -> float:
        """The time is up when all other batches have been scored."""
        return 1e9 if hung.is_set() and engine.prompts + held[0] >= len(prompts) else 0.0

    engine.trouble = hang
    monkeypatch.setattr(vibe_router.routing.deadline, "time", SimpleNamespace(monotonic=now))
    with router_of(tiny_bundle, engine) as router:
        if fallback is None:
            with pytest.raises(DeadlineError):
                router.route_many(prompts, timeout=60.0)
        else:
            reasons = [one.reason for one in router.route_many(prompts, timeout=60.0, fallback=fallback)]
            assert reasons[0] is Reason.FALLBACK
            assert reasons.count(Reason.SCORE) == len(prompts) - held[0]
        over.set()


def test_no_time_is_no_call_of_the_engine(tiny_bundle: Path) -> None:
    engine = ParallelEngine()
    with router_of(tiny_bundle, engine) as router:
        decided = router.route_many(MANY, timeout=0, fallback=Target.DEVICE)
    assert {one.reason for one in decided} == {Reason.FALLBACK}
    assert engine.prompts == 0


@pytest.mark.parametrize("chunk", [1, 100, 256, 1000])
def test_streams_and_awaited_calls_decide_the_same(tiny_bundle: Path, chunk: int) -> None:
    with router_of(tiny_bundle, ParallelEngine()) as router:
        expected = logits(router.route_many(MANY))
        assert logits(list(router.route_stream(iter(MANY), chunk=chunk))) == expected
        assert logits(router.route_many(MANY, timeout=60)) == expected
        assert logits(asyncio.run(router.aroute_many(MANY))) == expected


def test_more_awaited_calls_than_threads_end(tiny_bundle: Path) -> None:
    """All threads may be taken by callers, so that no helper ever comes."""

    async def call(router: Router) -> list[Any]:
        return await asyncio.gather(*(router.aroute_many(MANY) for _ in range(4 * AT_ONCE)))

    with router_of(tiny_bundle, ParallelEngine()) as router:
        expected = logits(router.route_many(MANY))
        assert [logits(one) for one in asyncio.run(call(router))] == [expected] * (4 * AT_ONCE)


def test_a_batch_that_fails_costs_the_others_nothing(tiny_bundle: Path) -> None:
    long = " ".join(["word"] * 40)

    def refuse(prompts: Sequence[Prompt]) -> None:
        if max(prompt.tokens for prompt in prompts) > 30:
            raise EngineError("too long")

    prompts = [*MANY[:300], long, *MANY[300:]]
    engine = ParallelEngine(refuse)
    with router_of(tiny_bundle, engine) as router:
        decided = router.route_many(prompts, fallback=Target.CLOUD)
        assert engine.by_all < 50, "only the prompts of its batch are tried alone"
        assert [one.reason for one in decided] == [Reason.SCORE] * 300 + [Reason.FALLBACK] + [Reason.SCORE] * 300
        with pytest.raises(EngineError, match="too long") as caught:
            router.route_many(prompts)
    assert len(caught.value.decided) == 300


def test_an_error_of_the_engines_own_is_raised(tiny_bundle: Path) -> None:
    def fail(_: Sequence[Prompt]) -> None:
        raise ZeroDivisionError

    with router_of(tiny_bundle, ParallelEngine(fail)) as router:
        with pytest.raises(EngineError, match="ZeroDivisionError"):
            router.route_many(MANY)
        assert router.route_many(MANY, allow_cloud=False)[0].target is Target.DEVICE


@pytest.mark.parametrize("timeout", [None, 60.0])
def test_a_router_that_is_closed_meanwhile_says_so(tiny_bundle: Path, timeout: float | None) -> None:
    """Closing asks the threads that help to stop, and their engine then says no more than that."""
    begun, caller = threading.Event(), threading.get_ident()

    def be_stopped(_: Sequence[Prompt]) -> None:
        # With a timeout the caller does not get here.
        if threading.get_ident() == caller:
            begun.wait(60)
            return
        stopped, stop = threading.Event(), CURRENT_STOP.get()
        assert stop is not None
        stop.when_set(stopped.set)
        begun.set()
        stopped.wait(60)
        raise EngineError("asked to stop")

    router = router_of(tiny_bundle, ParallelEngine(be_stopped))

    def close() -> None:
        begun.wait(60)
        router.close()

    closing = threading.Thread(target=close)
    closing.start()
    with pytest.raises(EngineError, match="closed"):
        router.route_many(MANY, timeout=timeout)
    closing.join()


def test_what_was_read_before_an_error_is_decided(tiny_bundle: Path) -> None:
    def source() -> Iterator[str]:
        yield from MANY[:400]
        raise RuntimeError("the file ended")

    with router_of(tiny_bundle, ParallelEngine()) as router:
        decided: list[Any] = []
        with pytest.raises(RuntimeError, match="the file ended"):
            decided.extend(router.route_stream(source(), chunk=1000))
        assert len(decided) == 400
        with pytest.raises(PromptError, match="prompt 400: ") as caught:
            router.route_many([*MANY[:400], "\u0301" * 10_000])
    assert len(caught.value.decided) == 400


@needs_native_engine
@pytest.mark.parametrize("threads", [2, 3])
def test_the_native_engine_gives_the_same_bits(tmp_path: Path, threads: int) -> None:
    folder = native_bundle(tmp_path / "small", native_checkpoint(tmp_path / "checkpoint"))
    prompts = mixed_prompts(700, seed=5)
    with Router.load(folder, threads=1) as one, Router.load(folder, threads=threads) as several:
        assert one.engine.batches_at_once == 1  # type: ignore[attr-defined]
        assert several.engine.batches_at_once == threads  # type: ignore[attr-defined]
        assert logits(one.route_many(prompts)) == logits(several.route_many(prompts))
