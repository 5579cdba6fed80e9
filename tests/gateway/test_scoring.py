"""A score that comes in about a millisecond is had without another thread, and decides the same."""

from __future__ import annotations

import asyncio

import pytest

from vibe_router import Router
from vibe_router_gateway.config.settings import RouterSettings
from vibe_router_gateway.plan import Scored
from vibe_router_gateway.scoring import score


def scored(router: Router, text: object, *, quick: bool) -> Scored:
    messages = [{"role": "user", "content": text}]
    return asyncio.run(
        score(router, messages, RouterSettings(timeout_s=60.0), profile=None, allow_cloud=True, quick=quick)
    )


@pytest.mark.parametrize(
    "content", ["hi", "Prove that there are infinitely many primes.", "why? " * 100, [{"type": "text", "text": "hi"}]]
)
def test_a_quick_score_decides_the_same(router: Router, content: object) -> None:
    assert scored(router, content, quick=True) == scored(router, content, quick=False)


def test_only_short_text_is_scored_in_the_event_loop(router: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("in the event loop")

    monkeypatch.setattr(Router, "route_chat", never)
    assert scored(router, "why? " * 100, quick=True).p_cloud is not None
    assert scored(router, [{"type": "text", "text": "hi"}], quick=True).p_cloud is not None
    with pytest.raises(AssertionError):
        scored(router, "hi", quick=True)
