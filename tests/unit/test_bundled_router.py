"""The router that ships with the wheel decides the model card's example prompts as a sensible person would."""

from __future__ import annotations

from vibe_router import Router, Target
from vibe_router_export.proof.golden import EXAMPLES

SMALL_TALK = ("hi", "hello", "how are you?", "tell me a joke", "what day is it today?")
OTHER_EASY = ("what is 2+2?", "translate hello to spanish", "define photosynthesis", "explain recursion")
CODE_AND_DESIGN = (
    "Write a thread-safe LRU cache in Python",
    "Design a distributed consensus algorithm",
    "Implement a transformer attention mechanism",
)
# By 0.034; `conservative` decides it well. A router that decides it well has it taken off this list.
KNOWN_MISSES = {"Implement a transformer attention mechanism"}
OTHER_HARD = ("Explain quantum entanglement", "Explain quantum error correction codes")


def test_the_bundled_router_decides_the_cards_examples_sensibly() -> None:
    with Router.load() as router:
        decided = dict(zip(EXAMPLES, (one.target for one in router.route_many(EXAMPLES)), strict=True))
    assert {decided[prompt] for prompt in (*SMALL_TALK, *OTHER_EASY)} == {Target.DEVICE}
    assert {prompt for prompt in CODE_AND_DESIGN if decided[prompt] is Target.DEVICE} == KNOWN_MISSES
    assert {*SMALL_TALK, *OTHER_EASY, *CODE_AND_DESIGN, *OTHER_HARD} == set(EXAMPLES)


def test_a_conservative_profile_sends_the_cards_hard_examples_to_the_cloud() -> None:
    with Router.load() as router:
        decided = {router.route(prompt, profile="conservative").target for prompt in (*CODE_AND_DESIGN, *OTHER_HARD)}
        assert decided == {Target.CLOUD}
        assert {router.route(prompt, profile="conservative").target for prompt in SMALL_TALK} == {Target.DEVICE}
