"""The failure contract of docs/failures.md, row by row, with faults injected into the engine."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.faulty import (
    FAULTS,
    TIMED_WAYS,
    WAYS,
    FaultyEngine,
    Way,
    assert_without_score,
    broken,
    route_one,
    route_several,
    route_stream,
    router_with,
)
from tests.support.sequences import unpadded
from vibe_router import Decision, Reason, Router, Target
from vibe_router.bundle.bundle import open_bundle
from vibe_router.engines.cancellation import CURRENT_STOP, Stop
from vibe_router.errors import BundleCorruptError, DeadlineError, EngineError, PromptError, UsageError, VibeRouterError
from vibe_router.text.tokenizer import PromptTokenizer


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(params=TIMED_WAYS.values(), ids=TIMED_WAYS)
def timed_way(request: pytest.FixtureRequest) -> Way:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def endless(tiny_bundle: Path) -> Iterator[Router]:
    """A router whose engine hears of no request to stop and ends with the test."""
    over = threading.Event()

    def wait(count: int) -> object:
        over.wait()
        return np.zeros(count, np.float32)

    with router_with(tiny_bundle, wait) as router:
        yield router
        over.set()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("options", [{}, {"timeout": 60.0}], ids=["no timeout", "timeout"])
def test_a_fault_gives_what_the_table_says(
    tiny_bundle: Path, timed_way: Way, fault: str, options: dict[str, object]
) -> None:
    assert_as_the_table_says(tiny_bundle, timed_way, fault, options)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_stream_gives_what_the_table_says(tiny_bundle: Path, fault: str) -> None:
    assert_as_the_table_says(tiny_bundle, route_stream, fault, {})


def assert_as_the_table_says(tiny_bundle: Path, way: Way, fault: str, options: dict[str, object]) -> None:
    with router_with(tiny_bundle, FAULTS[fault]) as router:
        tokens = len(router.tokenizer.encode("what is 2+2?").ids)
        with pytest.raises(EngineError) as caught:
            way(router, **options)
        assert not isinstance(caught.value, DeadlineError)
        for target in Target:
            decision = way(router, fallback=target, **options)
            assert_without_score(decision, target, Reason.FALLBACK, tokens=tokens)
        for fallback in (None, *Target):
            decision = way(router, fallback=fallback, allow_cloud=False, **options)
            assert_without_score(decision, Target.DEVICE, Reason.PINNED, tokens=tokens)


@pytest.mark.parametrize("timeout", [0.0, 0.05, -1.0])
def test_a_passed_deadline_gives_what_the_table_says(endless: Router, timed_way: Way, timeout: float) -> None:
    with pytest.raises(DeadlineError) as caught:
        timed_way(endless, timeout=timeout)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.exit_code == 1
    assert "timeout" in caught.value.hint
    for target in Target:
        assert_without_score(timed_way(endless, timeout=timeout, fallback=target), target, Reason.FALLBACK)
    decision = timed_way(endless, timeout=timeout, fallback=Target.CLOUD, allow_cloud=False)
    assert_without_score(decision, Target.DEVICE, Reason.PINNED)


def test_a_closed_router_is_an_engine_failure(tiny_bundle: Path, way: Way) -> None:
    router = router_with(tiny_bundle, FAULTS["nan"])
    router.close()
    router.close()
    with pytest.raises(EngineError):
        way(router)
    assert_without_score(way(router, fallback=Target.CLOUD), Target.CLOUD, Reason.FALLBACK)
    assert_without_score(way(router, allow_cloud=False), Target.DEVICE, Reason.PINNED)


@pytest.mark.parametrize("options", [{}, {"fallback": Target.CLOUD}, {"allow_cloud": False}, {"timeout": 60.0}])
def test_no_fallback_covers_a_wrong_prompt(tiny_bundle: Path, options: dict[str, object]) -> None:
    with router_with(tiny_bundle, lambda count: np.zeros(count, np.float32)) as router:
        for prompt in (None, 3, b"bytes"):
            with pytest.raises(PromptError):
                router.route(prompt, **options)  # type: ignore[arg-type]
            with pytest.raises(PromptError):
                asyncio.run(router.aroute(prompt, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [
        {"fallback": "nowhere"},
        {"fallback": 1},
        {"timeout": "soon"},
        {"timeout": float("nan")},
        {"timeout": True},
        {"fallback": Target.DEVICE, "threshold": 2.0},
        {"fallback": Target.DEVICE, "profile": "balancd"},
    ],
)
def test_no_fallback_covers_a_wrong_argument(router: Router, timed_way: Way, options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        timed_way(router, **options)


@pytest.mark.parametrize("timeout", [None, 60, float("inf"), 1e300])
def test_a_score_is_not_touched_by_fallback_or_timeout(router: Router, timed_way: Way, timeout: float | None) -> None:
    plain = timed_way(router)
    assert plain.reason is Reason.SCORE
    assert timed_way(router, fallback=Target.CLOUD, timeout=timeout) == plain
    pinned = timed_way(router, fallback=Target.CLOUD, timeout=timeout, allow_cloud=False, threshold=0.0)
    assert (pinned.target, pinned.reason) == (Target.DEVICE, Reason.PINNED)
    assert pinned.p_cloud == pytest.approx(plain.p_cloud)


def test_a_corrupt_bundle_gives_no_router_to_ask(tmp_path: Path, tiny_bundle: Path) -> None:
    folder = shutil.copytree(tiny_bundle, tmp_path / "b")
    content = bytearray((folder / "onnx/model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "onnx/model.onnx").write_bytes(content)
    with pytest.raises(BundleCorruptError):
        Router.load(folder, threads=1)


def test_one_poisoned_prompt_costs_the_others_of_its_batch_nothing(tiny_bundle: Path, router: Router) -> None:
    bundle = open_bundle(tiny_bundle)
    tokenizer = PromptTokenizer(bundle.read("tokenizer.json"), max_tokens=64)
    poison = tokenizer.encode("poison").ids.tolist()

    class Poisoned(FaultyEngine):
        def logits(self, sequences: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
            if poison in [ids.tolist() for ids in sequences]:
                raise RuntimeError("poison")
            return router.engine.logits(sequences)

    with Router(bundle, tokenizer, Poisoned(lambda _: None)) as poisoned:
        prompts = ["hi", "poison", "hello"]
        reasons = [decision.reason for decision in poisoned.route_many(prompts, fallback=Target.DEVICE)]
        assert reasons == [Reason.SCORE, Reason.FALLBACK, Reason.SCORE]
        with pytest.raises(EngineError):
            poisoned.route_many(prompts)


def test_what_has_a_score_by_the_deadline_keeps_it(tiny_bundle: Path) -> None:
    over = threading.Event()

    def slow_on_long_ones(count: int) -> object:
        if engine.calls > 1:
            over.wait()
        return np.full(count, 9.0, np.float32)

    with router_with(tiny_bundle, slow_on_long_ones) as router:
        engine = router.engine
        assert isinstance(engine, FaultyEngine)
        prompts = ["hi", "a b c d e f g h " * 20] * 40
        decisions = router.route_many(prompts, timeout=0.3, fallback=Target.DEVICE, threshold=0.5)
        over.set()
    reasons = [decision.reason for decision in decisions]
    assert set(reasons[0::2]) == {Reason.SCORE}
    assert Reason.FALLBACK in reasons[1::2]


def test_calls_that_never_end_pile_up_nowhere(endless: Router) -> None:
    before = threading.active_count()
    for _ in range(50):
        endless.route("hi", timeout=0.002, fallback=Target.DEVICE)
    assert threading.active_count() - before <= 2
    assert isinstance(endless.engine, FaultyEngine)
    assert endless.engine.calls <= 2


def test_a_router_serves_again_when_its_engine_does(tiny_bundle: Path) -> None:
    over = threading.Event()

    def wait(count: int) -> object:
        over.wait()
        return np.zeros(count, np.float32)

    with router_with(tiny_bundle, wait) as router:
        for _ in range(5):
            assert router.route("hi", timeout=0.01, fallback=Target.CLOUD).reason is Reason.FALLBACK
        over.set()
        assert router.route("hi", timeout=60).reason is Reason.SCORE
        assert router.route("hi").reason is Reason.SCORE


def test_an_abandoned_call_is_asked_to_stop(tiny_bundle: Path) -> None:
    stopped = threading.Event()

    def wait(_: int) -> object:
        stop = CURRENT_STOP.get()
        assert stop is not None
        stop.when_set(stopped.set)
        assert stopped.wait(60)
        raise EngineError("stopped")

    with router_with(tiny_bundle, wait) as router:
        assert router.route("hi", timeout=1.0, fallback=Target.CLOUD).reason is Reason.FALLBACK
        assert stopped.wait(60)


def test_onnx_runtime_obeys_a_request_to_stop(router: Router) -> None:
    stop = Stop()
    stop.set()
    token = CURRENT_STOP.set(stop)
    ids = router.tokenizer.encode("hi").ids[np.newaxis]
    try:
        with pytest.raises(EngineError, match="terminate"):
            router.engine.logits(unpadded(ids, np.ones_like(ids)))
    finally:
        CURRENT_STOP.reset(token)
    assert router.route("hi").reason is Reason.SCORE


@pytest.mark.parametrize("way", [route_one, route_several, route_stream])
def test_an_interrupt_is_no_engine_failure(tiny_bundle: Path, way: Way) -> None:
    with router_with(tiny_bundle, broken(KeyboardInterrupt())) as router, pytest.raises(KeyboardInterrupt):
        way(router, fallback=Target.DEVICE)


def test_a_cancelled_call_leaves_the_router_whole(tiny_bundle: Path) -> None:
    over = threading.Event()

    def wait(count: int) -> object:
        over.wait()
        return np.zeros(count, np.float32)

    async def cancel(router: Router) -> Decision:
        tasks = [asyncio.create_task(router.aroute("hi")) for _ in range(20)]
        await asyncio.sleep(0.02)
        for task in tasks:
            task.cancel()
        assert {type(result) for result in await asyncio.gather(*tasks, return_exceptions=True)} == {
            asyncio.CancelledError
        }
        over.set()
        return await router.aroute("hi", timeout=60)

    with router_with(tiny_bundle, wait) as router:
        assert asyncio.run(cancel(router)).reason is Reason.SCORE


def test_the_event_loop_turns_while_the_engine_works(tiny_bundle: Path) -> None:
    async def count_turns(router: Router) -> int:
        task = asyncio.create_task(router.aroute("hi", timeout=0.2, fallback=Target.DEVICE))
        turns = 0
        while not task.done():
            await asyncio.sleep(0.005)
            turns += 1
        return turns

    with router_with(tiny_bundle, lambda _: time.sleep(0.3)) as router:
        assert asyncio.run(count_turns(router)) > 5


def test_the_log_says_that_a_score_is_missing_and_nothing_of_the_prompt(
    tiny_bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with router_with(tiny_bundle, broken(EngineError("secret prompt"))) as router:
        router.route("secret prompt", fallback=Target.DEVICE)
    assert [record.getMessage() for record in caplog.records] == ["EngineError; decided without a score: device"]


def test_every_deadline_error_is_caught_as_ours_and_as_pythons() -> None:
    error = DeadlineError.passed()
    assert isinstance(error, (VibeRouterError, TimeoutError))
    assert str(error) == error.message
