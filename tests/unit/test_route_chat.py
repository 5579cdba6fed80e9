from __future__ import annotations

import asyncio
import json
import logging
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.hardening.dialogues.check import Desk, check_dialogues
from vibe_router import ChatPolicy, ChatState, Reason, Router, Target
from vibe_router.conversation.policy import threshold_logit
from vibe_router.conversation.scores import digest
from vibe_router.errors import DeadlineError, EngineError, PromptError, UsageError
from vibe_router.policy import sigmoid

SYSTEM = {"role": "system", "content": "You are an expert. Prove theorems, design compilers, analyse contracts."}
IMAGE = {"type": "image_url", "image_url": {"url": "data:"}}


def chat(*turns: str) -> list[dict[str, Any]]:
    """Return a conversation that ends with the last turn."""
    messages: list[dict[str, Any]] = []
    for turn in turns:
        messages += [{"role": "user", "content": turn}, {"role": "assistant", "content": "..."}]
    return messages[:-1]


@dataclass(frozen=True)
class Texts:
    """A text for either side, and a threshold with both far away."""

    easy: str
    hard: str
    threshold: float

    def of(self, target: Target) -> str:
        return self.hard if target is Target.CLOUD else self.easy


@pytest.fixture(scope="module")
def texts(router: Router) -> Texts:
    candidates = [
        f"{word} {word} {other}"
        for word in ("hi", "explain", "quantum", "what", "it's", "naïve")
        for other in "abcdefgh"
    ]
    scored = sorted((router.route(text).p_cloud or 0.0, text) for text in candidates)
    (low, easy), (high, hard) = scored[0], scored[-1]
    middle = Texts(easy, hard, sigmoid((threshold_logit(low) + threshold_logit(high)) / 2))
    assert threshold_logit(high) - threshold_logit(low) > 2 * (ChatPolicy().rise + ChatPolicy().fall)
    return middle


def test_a_chat_of_one_turn_is_decided_as_its_prompt(router: Router) -> None:
    prompt = "explain quantum entanglement"
    decided = router.route_chat(chat(prompt))
    assert decided.decision == router.route(prompt)
    assert decided.target is decided.decision.target
    assert [(span.message, span.start, span.end) for span in decided.scored] == [(0, 0, len(prompt))]


def test_a_system_prompt_changes_no_score(router: Router) -> None:
    assert router.route_chat([SYSTEM, *chat("hi")]).decision == router.route("hi")


@pytest.mark.parametrize("target", list(Target))
def test_a_turn_that_leans_stays_on_the_side_that_it_leans_on(router: Router, texts: Texts, target: Target) -> None:
    first = router.route_chat(chat(texts.of(target)), threshold=texts.threshold)
    assert first.target is target
    then = router.route_chat(chat(texts.of(target), "why?", "and in French?"), threshold=texts.threshold)
    assert (then.target, then.decision.reason, then.decision.p_cloud) == (target, Reason.HELD, first.decision.p_cloud)


def test_a_conversation_that_went_up_stays_for_some_turns(router: Router, texts: Texts) -> None:
    turns, path = [texts.hard], []
    for _ in range(6):
        turns.append(texts.easy)
        decided = router.route_chat(chat(*turns), threshold=texts.threshold)
        path.append((decided.target, decided.decision.reason))
    calm = ChatPolicy().calm_turns
    assert path[: calm - 1] == [(Target.CLOUD, Reason.HELD)] * (calm - 1)
    assert path[calm - 1 :] == [(Target.DEVICE, Reason.SCORE)] * (7 - calm)


def test_the_state_spares_scores_and_changes_nothing(tiny_bundle: Path) -> None:
    turns = ["hi", "explain quantum", "and now?", "what is it's naïve"]
    with Router.load(tiny_bundle, threads=1) as one, Router.load(tiny_bundle, threads=1) as other:
        state: object = None
        for count in range(1, 5):
            decided = one.route_chat(chat(*turns[:count]), state=state)
            state = json.loads(json.dumps(decided.state.to_json()))
            assert ChatState.from_json(state) == decided.state
            assert other.route_chat(chat(*turns[:count])) == decided


def test_a_state_of_another_engine_does_not_count(router: Router) -> None:
    honest = router.route_chat(chat("hi"))
    (digest,) = honest.state.scores
    forged = ChatState(scorer="another", scores={digest: 30.0})
    assert router.route_chat(chat("hi"), state=forged) == honest
    believed = ChatState(scorer=honest.state.scorer, scores={digest: 30.0})
    assert router.route_chat(chat("hi"), state=believed).target is Target.CLOUD


def test_a_state_speaks_for_its_own_call_alone(tiny_bundle: Path, texts: Texts) -> None:
    with Router.load(tiny_bundle) as router:
        other = router.route_chat(chat(texts.easy)).state
        forged = ChatState(scorer=other.scorer, scores={digest(texts.hard): -50.0})
        said = router.route_chat(chat(texts.hard), state=forged)
        told = router.route_chat(chat(texts.hard))
    with Router.load(tiny_bundle) as fresh:
        assert told.decision.p_cloud == fresh.route_chat(chat(texts.hard)).decision.p_cloud
    assert said.decision.p_cloud != told.decision.p_cloud


def test_a_pin_is_absorbing(router: Router) -> None:
    pinned = router.route_chat(chat("my diary"), threshold=0.0, allow_cloud=False)
    assert (pinned.target, pinned.decision.reason, pinned.state.pinned) == (Target.DEVICE, Reason.PINNED, True)
    for turns in (("my diary", "why?"), ("another conversation",)):
        later = router.route_chat(chat(*turns), threshold=0.0, state=pinned.state)
        assert (later.target, later.decision.reason, later.state.pinned) == (Target.DEVICE, Reason.PINNED, True)


def test_what_the_device_lacks_goes_to_the_cloud_or_is_named(router: Router) -> None:
    picture = [{"role": "user", "content": [{"type": "text", "text": "hi"}, IMAGE]}]
    decided = router.route_chat(picture, threshold=1.0)
    assert (decided.target, decided.decision.reason, decided.unmet) == (Target.CLOUD, Reason.REQUIRED, ())
    assert decided.requires.vision
    forbidden = router.route_chat(picture, allow_cloud=False)
    assert (forbidden.target, forbidden.unmet) == (Target.DEVICE, ("vision",))
    seeing = router.route_chat(picture, policy=ChatPolicy(device_vision=True), threshold=1.0)
    assert (seeing.target, seeing.decision.reason) == (Target.DEVICE, Reason.SCORE)


def test_a_context_that_is_too_long_for_the_device_goes_to_the_cloud(router: Router) -> None:
    long = [{"role": "system", "content": "x" * 30_000}, *chat("hi")]
    decided = router.route_chat(long, threshold=1.0)
    assert (decided.target, decided.requires.long_context) == (Target.CLOUD, True)
    assert not router.route_chat(long, policy=ChatPolicy(device_context=100_000)).requires.long_context
    short = ChatPolicy(device_tools=False)
    assert router.route_chat(chat("hi"), tools=[{"type": "function"}], policy=short).target is Target.CLOUD


def test_awaited_is_the_same(router: Router) -> None:
    messages = chat("explain quantum", "why?", "hi")
    assert asyncio.run(router.aroute_chat(messages)) == router.route_chat(messages)


@pytest.mark.parametrize(("count", "holds"), [(10, True), (1000, False)])
def test_many_messages_are_read_without_holding_the_event_loop(
    router: Router, monkeypatch: pytest.MonkeyPatch, count: int, holds: bool
) -> None:
    readers: list[int] = []
    read = router._chat_call

    def reading(*arguments: Any) -> Any:
        readers.append(threading.get_ident())
        return read(*arguments)

    monkeypatch.setattr(router, "_chat_call", reading)
    messages = [{"role": "user", "content": "why?"}] * count
    assert asyncio.run(router.aroute_chat(messages)).target is router.route_chat(messages).target
    assert (readers[0] == threading.get_ident()) == holds


def test_without_a_score_the_fallback_decides_or_the_failure_is_raised(router: Router) -> None:
    # A late score is kept, so a second call with the same words could have one in time.
    late = router.route_chat(chat("never scored before"), timeout=0.0, fallback=Target.CLOUD)
    assert (late.target, late.decision.reason, late.scored) == (Target.CLOUD, Reason.FALLBACK, ())
    with pytest.raises(DeadlineError):
        router.route_chat(chat("nor was this"), timeout=0.0)
    with pytest.raises(DeadlineError):
        asyncio.run(router.aroute_chat(chat("and not this"), timeout=0.0))
    awaited = asyncio.run(router.aroute_chat(chat("this neither"), timeout=0.0, fallback="device"))
    assert awaited.target is Target.DEVICE
    assert router.route_chat(chat("or this"), timeout=0.0, allow_cloud=False).decision.reason is Reason.PINNED


def test_a_closed_router_still_says_what_needs_no_score(tiny_bundle: Path) -> None:
    with Router.load(tiny_bundle, threads=1) as closed:
        pass
    picture = [{"role": "user", "content": [IMAGE]}]
    assert closed.route_chat(picture).target is Target.CLOUD
    assert asyncio.run(closed.aroute_chat(picture)).target is Target.CLOUD
    with pytest.raises(EngineError):
        asyncio.run(closed.aroute_chat(chat("hi")))


@pytest.mark.parametrize(
    "state",
    [3, "x", {}, {"version": 2, "pinned": False, "scorer": "", "scores": {}},
     {"version": 1, "pinned": 0, "scorer": "", "scores": {}},
     {"version": 1, "pinned": True, "scorer": "", "scores": []},
     {"version": 1, "pinned": True, "scorer": "", "scores": {"x": 1.0}},
     {"version": 1, "pinned": True, "scorer": "", "scores": {"0" * 16: float("nan")}}],
)  # fmt: skip
def test_a_state_that_is_none_is_refused(router: Router, state: Any) -> None:
    with pytest.raises(UsageError):
        router.route_chat(chat("hi"), state=state)


def test_what_is_no_chat_is_refused(router: Router) -> None:
    with pytest.raises(PromptError):
        router.route_chat([])
    with pytest.raises(PromptError):
        router.route_chat(chat("\u0301" * 10_000))
    with pytest.raises(UsageError):
        router.route_chat(chat("hi"), policy=3)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        router.route_chat(chat("hi"), profile="balancd")


def test_neither_a_decision_nor_the_log_shows_text(router: Router, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        decided = router.route_chat(chat("my secret", "and the secret's reason?"), timeout=0.0, fallback=Target.DEVICE)
        scored = router.route_chat(chat("my secret", "and the secret's reason?"))
    assert "secret" not in caplog.text + repr(decided) + repr(scored) + json.dumps(scored.state.to_json())


def test_random_dialogues_break_no_promise() -> None:
    desk = Desk(policy=ChatPolicy(device_context=1280), threshold=0.5)
    assert check_dialogues(desk, first=0, count=100) == []
