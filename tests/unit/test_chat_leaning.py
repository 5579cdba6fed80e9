from __future__ import annotations

import pytest

from vibe_router.conversation.asks import asks_of
from vibe_router.conversation.leaning import Kind, kind_of
from vibe_router.conversation.messages import read_chat
from vibe_router.conversation.policy import ChatPolicy

POLICY = ChatPolicy()


def kind(text: str) -> Kind:
    return kind_of(text, bare_words=POLICY.bare_words, leaning_words=POLICY.leaning_words)


BARE = """
why?|Shorter.|and in French?|thanks!|OK|go on|can you explain the second step?|option 2|👍|???|one more time please
warum?|und auf Englisch?|kürzer bitte|pourquoi ?|plus court|et en anglais ?|¿por qué?|más corto|perché?|più breve
por quê?|waarom?|varför?|dlaczego?|почему?|короче|чому?|neden?|لماذا؟|क्यों?|为什么？|短一点|もっと短く|なぜ？|왜?|더 짧게
tại sao?|kenapa?|What’s that?
"""


@pytest.mark.parametrize("text", BARE.strip().replace("\n", "|").split("|"))
def test_a_turn_that_says_nothing_by_itself_is_bare(text: str) -> None:
    assert kind(text) is Kind.BARE


@pytest.mark.parametrize(
    "text",
    ["now add tests to it", "and what would that cost in Berlin?", "what about Rome?", "but it crashes on Windows",
     "rewrite this with generators", "und was kostet das in Berlin?", "et pourquoi les Romains ?",
     "这段代码有什么问题？"],
)  # fmt: skip
def test_a_turn_with_a_wish_about_something_said_leans(text: str) -> None:
    assert kind(text) is Kind.LEANING


@pytest.mark.parametrize(
    "text",
    ["Write a thread-safe LRU cache in Python", "what is 12 + 30?", "Prove that there are infinitely many primes",
     "Wie heißt die Hauptstadt von Peru?", "请证明素数定理", "set a timer for 5 minutes",
     "it " * 40],
)  # fmt: skip
def test_a_turn_that_can_be_answered_by_itself_is_its_own(text: str) -> None:
    assert kind(text) is Kind.OWN


@pytest.mark.parametrize(
    "text",
    ["New topic: name a fruit", "Different question, what is the time?", "Neues Thema: hallo", "换个话题，你好",
     "otro tema: hola"],
)  # fmt: skip
def test_a_change_of_topic_can_be_announced(text: str) -> None:
    assert kind(text) is Kind.NEW_TOPIC


def test_reading_a_turn_of_megabytes_costs_no_more_than_its_beginning() -> None:
    assert kind("a" * 10_000_000) is Kind.OWN
    assert kind("why " * 2_000_000) is Kind.OWN


def asks(*turns: str) -> list[tuple[str, str]]:
    messages = [
        message
        for turn in turns
        for message in ({"role": "user", "content": turn}, {"role": "assistant", "content": "."})
    ]
    return [(ask.kind.value, ask.text) for ask in asks_of(read_chat(messages).turns, POLICY)]


def test_what_leans_is_read_after_the_last_turn_that_stands_by_itself() -> None:
    assert asks("Write a parser", "add tests to it", "why?", "and a README for it", "Name three fruits") == [
        ("own", "Write a parser"),
        ("leaning", "Write a parser\nadd tests to it"),
        ("bare", "Write a parser\nadd tests to it"),
        ("leaning", "Write a parser\nand a README for it"),
        ("own", "Name three fruits"),
    ]


def test_the_first_replayed_turn_has_what_it_leans_on_from_before() -> None:
    again = ["why?"] * (POLICY.replayed_turns - 1)
    assert asks("Write a parser", "add tests to it", *again)[0] == ("own", "Write a parser\nadd tests to it")
    assert asks("Write a parser", "add tests to it", *again, "why?") == [
        ("own", "Write a parser\nadd tests to it"),
        *[("bare", "Write a parser\nadd tests to it")] * (POLICY.replayed_turns - 1),
    ]


def test_the_first_turn_stands_by_itself_whatever_it_is() -> None:
    assert asks("why?") == [("own", "why?")]
    assert [ask.kind for ask in asks_of((), POLICY)] == [Kind.OWN]
