"""Server-sent events: a stream of bytes cut into whole events, and what the gateway reads in them."""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass, field
from typing import Any

# The three line ends that the standard allows, two in a row, which need not be the same.
_END = re.compile(rb"\n\r?\n|\r\r")
_LONGEST_END = 3
_LINES = re.compile(rb"\r\n|\n|\r")
DONE = b"[DONE]"


class MalformedStreamError(Exception):
    """The stream is not made of events whose data is JSON; the error holds none of it."""


@dataclass(frozen=True)
class Event:
    """One event as it came, with its blank line; `data` None for comments, {} for [DONE]."""

    raw: bytes
    data: dict[str, Any] | None
    done: bool = False
    failed: bool = False
    """Whether it tells of an error, by its name or in its data."""


class EventCutter:
    """Cuts chunks of any size into events. An event is given only when it is whole, so none is passed on in part."""

    def __init__(self, *, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._malformed = False
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> list[Event]:
        """Return the events that `chunk` completes, up to [DONE] or the first that is malformed, told by `check`.

        Raises:
            MalformedStreamError: an event is larger than allowed.
        """
        # A blank line may lie across two chunks; what comes before has been searched, and is not searched again.
        searched = max(0, len(self._rest) - _LONGEST_END + 1)
        self._rest += chunk
        buffered = self._rest
        events: list[Event] = []
        start = 0
        for match in _END.finditer(buffered, searched):
            try:
                events.append(read_event(bytes(buffered[start : match.end()])))
            except MalformedStreamError:
                self._malformed = True
                break
            start = match.end()
            if events[-1].done:
                # What comes after is not read, whether it comes with this chunk or later.
                break
        del buffered[:start]
        if len(self._rest) > self._most_bytes:
            raise MalformedStreamError
        return events

    def check(self) -> None:
        """Check that what was fed so far is well formed.

        Raises:
            MalformedStreamError: the data of an event is not JSON.
        """
        if self._malformed:
            raise MalformedStreamError

    def finish(self) -> Event | None:
        """Return what is left at the end of the stream, as an event that its blank line was missing from.

        Raises:
            MalformedStreamError: it is not one.
        """
        rest, self._rest = bytes(self._rest), bytearray()
        return read_event(rest.rstrip() + b"\n\n") if rest.strip() else None


def read_event(raw: bytes) -> Event:
    """Return one event with its data read.

    Raises:
        MalformedStreamError: its data is neither a JSON object nor [DONE].
    """
    # The standard lets a stream begin with a mark of its encoding.
    lines = _LINES.split(raw.removeprefix(codecs.BOM_UTF8))
    values = [line[5:].strip() for line in lines if line.startswith(b"data:")]
    if not values:
        return Event(raw, None)
    data = b"\n".join(values)
    if data == DONE:
        return Event(raw, {}, done=True)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MalformedStreamError from error
    if not isinstance(value, dict):
        raise MalformedStreamError
    named = any(line.startswith(b"event:") and line[6:].strip() == b"error" for line in lines)
    return Event(raw, value, failed=named or _is_error(value))


def _is_error(data: dict[str, Any]) -> bool:
    return bool(data.get("error")) or data.get("type") in ("error", "response.failed")


@dataclass
class Seen:
    """What a stream has told so far."""

    usage: dict[str, Any] | None = None
    pieces: int = 0
    """Events with content: about one a token, for upstreams that do not count."""
    complete: bool = False
    failed: bool = False
    answer_id: str | None = None
    """Of the responses API, whose next request may name it."""
    _begun: set[int] = field(default_factory=set)
    """Indexes of the choices; there are several where the client asked for `n`."""
    _ended: set[int] = field(default_factory=set)

    def add(self, event: Event) -> None:
        """Take one event into account."""
        data = event.data
        if data is None:
            return
        if event.done:
            self.complete = True
            return
        # Of an error that only its event's name tells, clients do not raise: another event has to say it.
        if _is_error(data):
            self.failed = True
        response = data.get("response")
        usage = data.get("usage") or (response.get("usage") if isinstance(response, dict) else None)
        if isinstance(usage, dict):
            self.usage = usage
        if isinstance(response, dict) and isinstance(response.get("id"), str):
            self.answer_id = response["id"]
        if str(data.get("type", "")) in ("response.completed", "response.incomplete", "response.failed"):
            self.complete = True
        choices = data.get("choices")
        if isinstance(choices, list) and choices:
            self.pieces += 1
            self._add_choices([choice for choice in choices if isinstance(choice, dict)])
        elif str(data.get("type", "")).endswith(".delta"):
            self.pieces += 1

    def _add_choices(self, choices: list[dict[str, Any]]) -> None:
        for choice in choices:
            index = choice.get("index")
            number = index if isinstance(index, int) else 0
            self._begun.add(number)
            if choice.get("finish_reason"):
                self._ended.add(number)
        self.complete = self._begun == self._ended


def error_event(message: str, *, code: str, path: str, request_id: str) -> bytes:
    """Return the event that ends a broken stream: `data: {"error": ...}`, on which OpenAI's clients raise."""
    if path == "/v1/responses":
        body: dict[str, Any] = {"type": "error", "code": code, "message": message, "param": None}
        return b"event: error\ndata: " + json.dumps(body).encode() + b"\n\n"
    error = {"message": message, "type": "server_error", "param": None, "code": code, "request_id": request_id}
    return b"data: " + json.dumps({"error": error}).encode() + b"\n\n"
