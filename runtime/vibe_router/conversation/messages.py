"""OpenAI-style messages, read strictly into the user's turns and what the request needs.

A request is a list of messages. Only what a user wrote is a wish: system and developer messages, the assistant's
answers and the results of tools are counted for the length of the context and otherwise ignored. Errors name the
place, such as `messages[3].content[0]`, and never quote the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from vibe_router.errors import PromptError

# The kinds of content parts of the chat and the responses API, and of servers that speak them.
_TEXT_PARTS = frozenset({"text", "input_text", "output_text", "refusal"})
_VISION_PARTS = frozenset({"image_url", "input_image", "image", "video_url", "input_video", "file", "input_file"})
_AUDIO_PARTS = frozenset({"input_audio", "audio_url", "audio"})


class Role(str, Enum):
    """Who wrote a message."""

    SYSTEM = "system"
    DEVELOPER = "developer"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


_ROLES = {role.value: role for role in Role}


@dataclass(frozen=True)
class Span:
    """The characters `start` to `end` of the text of `messages[message]`; the texts of parts are joined by newlines."""

    message: int
    start: int
    end: int


@dataclass(frozen=True)
class UserTurn:
    """What the user wrote between two answers. The text is the spans' characters, joined by newlines."""

    text: str = field(repr=False)
    spans: tuple[Span, ...]


@dataclass(frozen=True, kw_only=True)
class Chat:
    """The turns of a request, oldest first, and what else routing depends on.

    `answers[i]` is what the assistant wrote before turn i. `open_tool_call` says that the request carries on a turn:
    its last message is a tool's result or an assistant's call. `text_bytes` counts all text in UTF-8, `media` the
    parts that are not text.
    """

    turns: tuple[UserTurn, ...]
    answers: tuple[str, ...] = field(repr=False)
    open_tool_call: bool
    tools: bool
    vision: bool
    audio: bool
    text_bytes: int
    media: int


@dataclass(frozen=True)
class _Message:
    role: Role
    text: str
    vision: int
    audio: int
    calls: int
    extra_bytes: int


def read_chat(messages: object, *, tools: object = None, harness_tags: Sequence[str] = ()) -> Chat:
    """Return the chat that `messages` hold; `tools` are the request's tool definitions, for their size.

    Blocks `<tag>...</tag>` of `harness_tags` in user messages are text that an application has put there, and no part
    of the wish. Messages of the user that follow each other are one turn; a message without a wish opens none.

    Raises:
        PromptError: not a list of messages, or a message of the wrong form.
    """
    if not isinstance(messages, Sequence) or isinstance(messages, (str, bytes, bytearray)):
        raise _wrong("messages", f"must be a list, not {type(messages).__name__}")
    if not messages:
        raise _wrong("messages", "must hold at least one message")
    read = [_read_message(message, f"messages[{index}]") for index, message in enumerate(messages)]
    # A turn's spans and their texts are joined once, at the end, because one turn may be of 100,000 messages.
    turns: list[tuple[list[Span], list[str]]] = []
    answers: list[str] = []
    answer = ""
    answered = True
    for index, message in enumerate(read):
        if message.role is Role.ASSISTANT:
            answer, answered = message.text, True
        elif message.role is Role.USER:
            spans = _wish(message.text, index, harness_tags)
            if not spans and not (message.vision or message.audio):
                continue
            if answered or not turns:
                turns.append(([], []))
                answers.append(answer)
            turns[-1][0].extend(spans)
            turns[-1][1].extend(message.text[span.start : span.end] for span in spans)
            answered = False
    last = read[-1]
    return Chat(
        turns=tuple(UserTurn("\n".join(texts), tuple(spans)) for spans, texts in turns),
        answers=tuple(answers),
        open_tool_call=last.role is Role.TOOL or (last.role is Role.ASSISTANT and last.calls > 0),
        tools=_given(tools) or any(message.calls or message.role is Role.TOOL for message in read),
        vision=any(message.vision for message in read),
        audio=any(message.audio for message in read),
        text_bytes=sum(_size(message.text) + message.extra_bytes for message in read) + _tools_size(tools),
        media=sum(message.vision + message.audio for message in read),
    )


def text_of(message: Mapping[str, object]) -> str:
    """Return the text of a user's message, in which spans are counted.

    Raises:
        PromptError: its content is of the wrong form.
    """
    return _read_content(message.get("content"), Role.USER, "content")[0]


def _read_message(message: object, where: str) -> _Message:
    if not isinstance(message, Mapping):
        raise _wrong(where, f"must be an object, not {type(message).__name__}")
    given = message.get("role")
    # Text alone is looked up: an enumeration's error prints what it was given, which may be nested without end.
    role = _ROLES.get(given) if isinstance(given, str) else None
    if role is None:
        raise _wrong(f"{where}.role", f"must be one of {', '.join(_ROLES)}")
    content = message.get("content")
    text, vision, audio, extra = _read_content(content, role, f"{where}.content")
    calls, call_bytes = _read_calls(message.get("tool_calls"), role, f"{where}.tool_calls")
    return _Message(role, text, vision, audio, calls, extra + call_bytes)


def _read_content(content: object, role: Role, where: str) -> tuple[str, int, int, int]:
    """Return text, parts for the eye, parts for the ear, and bytes that are neither."""
    if isinstance(content, str):
        return content, 0, 0, 0
    if content is None:
        if role is Role.ASSISTANT:
            return "", 0, 0, 0
        raise _wrong(where, "is missing")
    if not isinstance(content, Sequence) or isinstance(content, (bytes, bytearray)):
        raise _wrong(where, f"must be text or a list of parts, not {type(content).__name__}")
    texts: list[str] = []
    vision = audio = 0
    for index, part in enumerate(content):
        kind, text = _read_part(part, role, f"{where}[{index}]")
        if text is not None:
            texts.append(text)
        vision += kind in _VISION_PARTS
        audio += kind in _AUDIO_PARTS
    return "\n".join(texts), vision, audio, 0


def _read_part(part: object, role: Role, where: str) -> tuple[str, str | None]:
    """Return a part's type and, where it is text, its text."""
    if isinstance(part, str):
        return "text", part
    if not isinstance(part, Mapping):
        raise _wrong(where, f"must be an object, not {type(part).__name__}")
    kind = part.get("type")
    if not isinstance(kind, str):
        raise _wrong(f"{where}.type", "must be text")
    if kind in _TEXT_PARTS:
        text = part.get("refusal" if kind == "refusal" else "text")
        if not isinstance(text, str):
            raise _wrong(where, "has no text")
        return kind, text
    if role is Role.USER and kind not in _VISION_PARTS | _AUDIO_PARTS:
        raise _wrong(f"{where}.type", "is of an unknown kind")
    return kind, None


def _read_calls(calls: object, role: Role, where: str) -> tuple[int, int]:
    """Return how many tools a message calls, and the bytes of the calls' names and arguments."""
    if calls is None:
        return 0, 0
    if not isinstance(calls, Sequence) or isinstance(calls, (str, bytes, bytearray)):
        raise _wrong(where, f"must be a list, not {type(calls).__name__}")
    if calls and role is not Role.ASSISTANT:
        raise _wrong(where, "may only stand in a message of the assistant")
    size = 0
    for index, call in enumerate(calls):
        if not isinstance(call, Mapping):
            raise _wrong(f"{where}[{index}]", f"must be an object, not {type(call).__name__}")
        function = call.get("function")
        if isinstance(function, Mapping):
            size += sum(_size(value) for key in ("name", "arguments") if isinstance(value := function.get(key), str))
    return len(calls), size


def _wish(text: str, message: int, harness_tags: Sequence[str]) -> tuple[Span, ...]:
    """Return the spans of `text` outside closed blocks of the harness, without those that are blank."""
    spans: list[Span] = []
    start = 0
    for begin, end in [*_blocks(text, harness_tags), (len(text), len(text))]:
        if text[start:begin].strip():
            spans.append(Span(message, start, begin))
        start = end
    return tuple(spans)


def _blocks(text: str, tags: Sequence[str]) -> list[tuple[int, int]]:
    """Return start and end of each block, in time that grows with the text alone."""
    if not tags or "<" not in text:
        return []
    opening = re.compile("<(" + "|".join(map(re.escape, tags)) + ")>")
    blocks: list[tuple[int, int]] = []
    never_closed: set[str] = set()
    place = 0
    while (found := opening.search(text, place)) is not None:
        tag, place = found[1], found.end()
        if tag in never_closed:
            continue
        closed = text.find(f"</{tag}>", place)
        if closed < 0:
            never_closed.add(tag)
            continue
        place = closed + len(tag) + 3
        blocks.append((found.start(), place))
    return blocks


def _given(tools: object) -> bool:
    if tools is None:
        return False
    if not isinstance(tools, Sequence) or isinstance(tools, (str, bytes, bytearray)):
        raise _wrong("tools", f"must be a list, not {type(tools).__name__}")
    return len(tools) > 0


# A tool's definition, in bytes, where nobody measures it: a name, a sentence, and a few parameters.
_BYTES_PER_TOOL = 600


def _tools_size(tools: object) -> int:
    return _BYTES_PER_TOOL * len(tools) if isinstance(tools, Sequence) else 0


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _wrong(where: str, what: str) -> PromptError:
    return PromptError(f"{where} {what}", hint='pass [{"role": "user", "content": "..."}, ...] as for a chat API')
