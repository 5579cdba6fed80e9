from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import numpy as np
import pytest

from tests.unit.test_failures import router_with
from vibe_router import Decision, Reason, Router, Target
from vibe_router.errors import DeadlineError, EngineError, PromptError, UsageError

BAD = "\u0301" * 10_000
PROMPTS = ["hi", BAD, "hello", "what is 2+2?", BAD]


def test_a_prompt_that_cannot_be_routed_is_skipped_in_its_place(router: Router) -> None:
    good = router.route_many(["hi", "hello", "what is 2+2?"])
    expected: list[Decision | None] = [good[0], None, good[1], good[2], None]
    assert router.route_many(PROMPTS, on_error="skip") == expected
    assert list(router.route_stream(iter(PROMPTS), on_error="skip", chunk=2)) == expected
    assert asyncio.run(router.aroute_many(PROMPTS, on_error="skip")) == expected
    assert router.route_many([BAD, 3], on_error="skip") == [None, None]  # type: ignore[list-item]


def test_no_failure_of_the_engine_is_skipped(tiny_bundle: Path) -> None:
    def fail(_: int) -> object:
        raise EngineError("out of order")

    with router_with(tiny_bundle, fail) as router, pytest.raises(EngineError, match="out of order"):
        router.route_many(["hi", BAD], on_error="skip")


def test_an_error_has_what_was_decided_before_it(router: Router) -> None:
    prompts = [*(f"prompt {index}" for index in range(300)), BAD, "hi"]
    before = tuple(router.route_many(prompts[:300]))
    with pytest.raises(PromptError, match="prompt 300: ") as caught:
        router.route_many(iter(prompts))
    assert caught.value.decided == before
    with pytest.raises(PromptError, match="prompt 300: ") as caught:
        asyncio.run(router.aroute_many(prompts))
    assert caught.value.decided == before
    with pytest.raises(PromptError) as alone:
        router.route(BAD)
    assert alone.value.decided == ()


@pytest.mark.parametrize("awaited", [False, True])
def test_a_failure_of_the_engine_has_what_was_decided_before_it(tiny_bundle: Path, awaited: bool) -> None:
    """Prompts of one length are scored in their order, so that the first batches have the first prompts."""
    scored: list[int] = []

    def fail_late(count: int) -> object:
        if sum(scored) + count > 200:
            raise EngineError("out of order")
        scored.append(count)
        return np.full(count, 5.0, np.float32)

    with router_with(tiny_bundle, fail_late) as router, pytest.raises(EngineError, match="out of order") as caught:
        asyncio.run(router.aroute_many(["hi"] * 300)) if awaited else router.route_many(["hi"] * 300)
    assert 100 < sum(scored) == len(caught.value.decided)
    assert {decision.reason for decision in caught.value.decided if decision} == {Reason.SCORE}


def test_another_word_for_it_is_refused(router: Router) -> None:
    with pytest.raises(UsageError, match="on_error"):
        router.route_many(["hi"], on_error="ignore")  # type: ignore[call-overload]
    with pytest.raises(UsageError, match="on_error"):
        router.route_stream(["hi"], on_error="ignore")  # type: ignore[call-overload]


def test_awaited_many_are_what_many_are(router: Router) -> None:
    prompts = [f"prompt {index} it's naïve" for index in range(600)]
    assert asyncio.run(router.aroute_many(iter(prompts))) == router.route_many(prompts)
    assert asyncio.run(router.aroute_many([])) == []


def test_awaited_many_name_the_bad_prompt(router: Router) -> None:
    with pytest.raises(PromptError, match="prompt 1: "):
        asyncio.run(router.aroute_many(PROMPTS))
    with pytest.raises(UsageError, match="several"):
        asyncio.run(router.aroute_many("hi"))


def test_awaited_many_that_are_too_late_keep_what_was_decided(tiny_bundle: Path) -> None:
    over = threading.Event()
    calls: list[int] = []

    def stop_after_the_first_chunk(count: int) -> object:
        calls.append(count)
        if sum(calls) > 256:
            over.wait(60)
        return np.full(count, 5.0, np.float32)

    prompts = ["hi"] * 300
    with router_with(tiny_bundle, stop_after_the_first_chunk) as router:
        late = asyncio.run(router.aroute_many(prompts, timeout=1.0, fallback=Target.DEVICE))
        over.set()
    assert [decision.reason for decision in late] == [Reason.SCORE] * 256 + [Reason.FALLBACK] * 44


def test_awaited_many_without_a_fallback_raise(tiny_bundle: Path) -> None:
    over = threading.Event()

    def wait(count: int) -> object:
        over.wait(60)
        return np.zeros(count, np.float32)

    with router_with(tiny_bundle, wait) as router:
        with pytest.raises(DeadlineError):
            asyncio.run(router.aroute_many(["hi"] * 3, timeout=0.05))
        over.set()


def test_the_loop_turns_while_many_are_decided(tiny_bundle: Path) -> None:
    over = threading.Event()

    def wait(count: int) -> object:
        over.wait(60)
        return np.zeros(count, np.float32)

    async def turn(router: Router) -> list[Decision]:
        task = asyncio.create_task(router.aroute_many(["hi"] * 3))
        await asyncio.sleep(0)
        over.set()
        return await task

    with router_with(tiny_bundle, wait) as router:
        assert len(asyncio.run(turn(router))) == 3
