from __future__ import annotations

from typing import Any

import pytest

from vibe_router.conversation.messages import Chat, read_chat
from vibe_router.errors import PromptError

TAGS = ("system-reminder", "environment_details")


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def texts(chat: Chat) -> list[str]:
    return [turn.text for turn in chat.turns]


def test_only_what_the_user_wrote_is_a_turn() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    chat = read_chat(
        [
            {"role": "system", "content": "Prove it."},
            {"role": "developer", "content": "Be brief."},
            user("hi"),
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": "Design a compiler"},
            {"role": "assistant", "content": "hello"},
            user("why?"),
        ]
    )
    assert texts(chat) == ["hi", "why?"]
    assert chat.answers == ("", "hello")
    assert chat.tools
    assert not chat.open_tool_call


def test_parts_are_joined_and_what_is_no_text_is_counted() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:"}}
    audio = {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}
    chat = read_chat([user([{"type": "text", "text": "a"}, image, {"type": "input_text", "text": "b"}, audio])])
    assert texts(chat) == ["a\nb"]
    assert (chat.vision, chat.audio, chat.media) == (True, True, 2)


def test_messages_that_follow_each_other_are_one_turn() -> None:
    chat = read_chat([user("the file"), user("explain it"), {"role": "assistant", "content": "..."}, user("why?")])
    assert texts(chat) == ["the file\nexplain it", "why?"]


def test_blocks_of_the_harness_are_no_wish_and_spans_name_the_rest() -> None:
    content = "<system-reminder>Prove it.</system-reminder>hi <environment_details>x</environment_details>there"
    chat = read_chat([user(content)], harness_tags=TAGS)
    (turn,) = chat.turns
    assert [content[span.start : span.end] for span in turn.spans] == ["hi ", "there"]
    assert turn.text == "hi \nthere"
    assert read_chat([user("<system-reminder>x</system-reminder>")], harness_tags=TAGS).turns == ()
    assert texts(read_chat([user("<system-reminder>never closed")], harness_tags=TAGS)) == [
        "<system-reminder>never closed"
    ]


def test_thousands_of_blocks_take_time_that_grows_with_the_text_alone() -> None:
    blocks = "<system-reminder></system-reminder>" * 20_000 + "<environment_details>" * 20_000
    (turn,) = read_chat([user(blocks + "hi")], harness_tags=TAGS).turns
    assert turn.text.endswith("hi")
    assert not turn.text.startswith("<system")


@pytest.mark.parametrize(("last", "is_open"), [("tool", True), ("call", True), ("answer", False)])
def test_a_tool_call_is_open_until_the_assistant_has_answered(last: str, is_open: bool) -> None:
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": {"name": "f"}}]}
    messages = [
        user("x"),
        call,
        {"role": "tool", "tool_call_id": "1", "content": "y"},
        {"role": "assistant", "content": ""},
    ]
    shown = messages[: {"call": 2, "tool": 3, "answer": 4}[last]]
    assert read_chat(shown).open_tool_call is is_open


def test_the_definitions_of_tools_are_a_requirement() -> None:
    assert not read_chat([user("hi")], tools=[]).tools
    with_tools = read_chat([user("hi")], tools=[{"type": "function"}])
    assert with_tools.tools
    assert with_tools.text_bytes > read_chat([user("hi")]).text_bytes


def nested(depth: int) -> Any:
    value: Any = "deep"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("messages", "where"),
    [
        (None, "messages"),
        ("hi", "messages"),
        (b"hi", "messages"),
        ({"role": "user", "content": "hi"}, "messages"),
        ([], "messages"),
        (["hi"], r"messages\[0\]"),
        ([{}], r"messages\[0\]\.role"),
        ([{"role": "robot", "content": "x"}], r"messages\[0\]\.role"),
        ([{"role": ["user"], "content": "x"}], r"messages\[0\]\.role"),
        ([{"role": "user"}], r"messages\[0\]\.content"),
        ([user(3)], r"messages\[0\]\.content"),
        ([user(b"hi")], r"messages\[0\]\.content"),
        ([user({"type": "text", "text": "x"})], r"messages\[0\]\.content"),
        ([user("x"), user([3])], r"messages\[1\]\.content\[0\]"),
        ([user([{"text": "x"}])], r"messages\[0\]\.content\[0\]\.type"),
        ([user([{"type": ["text"], "text": "x"}])], r"messages\[0\]\.content\[0\]\.type"),
        ([user([{"type": "text", "text": None}])], r"messages\[0\]\.content\[0\]"),
        ([user([{"type": "smell", "smell": "x"}])], r"messages\[0\]\.content\[0\]\.type"),
        ([user(nested(100_000))], r"messages\[0\]\.content\[0\]"),
        ([{"role": "assistant", "content": None, "tool_calls": "x"}], r"messages\[0\]\.tool_calls"),
        ([{"role": "assistant", "content": None, "tool_calls": [3]}], r"messages\[0\]\.tool_calls\[0\]"),
        ([{"role": "user", "content": "x", "tool_calls": [{}]}], r"messages\[0\]\.tool_calls"),
        ([{"role": "tool", "content": None}], r"messages\[0\]\.content"),
    ],
)
def test_what_is_no_chat_is_refused_by_its_place_without_its_text(messages: Any, where: str) -> None:
    with pytest.raises(PromptError, match=f"^{where} ") as caught:
        read_chat(messages)
    assert caught.value.hint
    assert "smell" not in caught.value.message


def test_lone_surrogates_and_null_characters_are_text() -> None:
    chat = read_chat([user("a\ud800b\x00")])
    assert texts(chat) == ["a\ud800b\x00"]
    assert chat.text_bytes == 6


def test_a_chat_does_not_show_its_text() -> None:
    chat = read_chat([user("my secret"), {"role": "assistant", "content": "your secret"}])
    assert "secret" not in repr(chat)


@pytest.mark.parametrize("key", ["role", "content", "tool_calls"])
def test_values_nested_without_end_are_refused_and_not_printed(key: str) -> None:
    value: list[object] = []
    for _ in range(5000):
        value = [value]
    message = {"role": "assistant", "content": "hi", key: value}
    with pytest.raises(PromptError):
        read_chat([message])


def test_a_turn_of_very_many_messages_is_read_in_one_go() -> None:
    """Joined one by one, 60,000 messages were copied 60,000 times, 20 GB in all."""
    chat = read_chat([{"role": "user", "content": "hi"}] * 60_000)
    assert len(chat.turns) == 1
    assert len(chat.turns[0].spans) == 60_000
    assert len(chat.turns[0].text) == 3 * 60_000 - 1
