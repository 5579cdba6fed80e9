"""A score that comes in about a millisecond is had without another thread, and decides the same."""

from __future__ import annotations

import asyncio

import pytest

from vibe_router import ChatPolicy, Router
from vibe_router.conversation.calls import ChatCalls
from vibe_router_gateway.config.settings import RouterSettings
from vibe_router_gateway.plan import Scored
from vibe_router_gateway.scoring import Loop, Sampling, score

LONG = "why? " * 100


async def ask(router: Router, content: object, loop: Loop, timeout_s: float = 60.0) -> Scored:
    messages = [{"role": "user", "content": content}]
    return await score(router, messages, RouterSettings(timeout_s=timeout_s), loop, profile=None, allow_cloud=True)


@pytest.mark.parametrize(
    "content", ["hi", "Prove that there are infinitely many primes.", LONG, [{"type": "text", "text": "hi"}]]
)
def test_a_score_in_the_event_loop_decides_the_same(router: Router, content: object) -> None:
    here, elsewhere = (asyncio.run(ask(router, content, Loop(quick))) for quick in (True, False))
    assert here == elsewhere


@pytest.mark.parametrize(
    ("content", "quick", "timeout_s"),
    [(LONG, True, 60.0), ([{"type": "text", "text": "hi"}], True, 60.0), ("hi", False, 60.0), ("hi", True, 0.001)],
)
def test_threads_score_what_could_hold_the_loop(
    router: Router, monkeypatch: pytest.MonkeyPatch, content: object, quick: bool, timeout_s: float
) -> None:
    monkeypatch.delattr(ChatCalls, "route_chat")
    loop = Loop(quick)
    asyncio.run(ask(router, content, loop, timeout_s))
    assert loop.in_threads == 0


def test_the_same_text_is_on_one_side_of_the_split_with_a_picture_or_without(router: Router) -> None:
    text, picture = "What is it?", {"type": "image_url", "image_url": {"url": "data:"}}
    judged: list[str] = []
    sampling = Sampling(identify=lambda _: "", is_held_out=lambda seen: bool(judged.append(seen)))
    part = {"type": "text", "text": text}
    for content in (text, [part], [picture, part], [part, picture], [picture, text]):
        messages = [{"role": "user", "content": content}]
        policy = ChatPolicy(device_vision=True)
        asyncio.run(
            score(
                router,
                messages,
                RouterSettings(timeout_s=60),
                Loop(False),
                profile=None,
                allow_cloud=True,
                policy=policy,
                sampling=sampling,
            )
        )
    assert judged == [text] * 5


def test_threads_score_many_messages_without_text(router: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(ChatCalls, "route_chat")
    messages = [{"role": "user", "content": ""}] * 1000
    settings = RouterSettings(timeout_s=60)
    told = asyncio.run(score(router, messages, settings, Loop(True), profile=None, allow_cloud=True))
    assert told.p_cloud is not None


def test_a_short_text_waits_in_a_thread_while_another_has_the_engine(
    router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def two(loop: Loop) -> None:
        first = asyncio.create_task(ask(router, LONG, loop))
        await asyncio.sleep(0)
        assert loop.in_threads == 1
        await asyncio.gather(first, ask(router, "hi", loop))

    monkeypatch.delattr(ChatCalls, "route_chat")
    asyncio.run(two(Loop(True)))


def test_a_short_text_alone_needs_no_thread(router: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(ChatCalls, "aroute_chat")
    assert asyncio.run(ask(router, "hi", Loop(True))).p_cloud is not None
