"""What a client asks: the body as bytes, and the few fields that the gateway reads from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from vibe_router_gateway.messages import message_of_item, with_tools
from vibe_router_gateway.problems import ApiError

RESPONSES = "/v1/responses"
EMBEDDINGS = "/v1/embeddings"
CLOUD_FIELD = "vibe_allow_cloud"
_YES, _NO = ("true", "1", "yes", "on"), ("false", "0", "no", "off")
_BYTES_PER_TOKEN = 3.5
"""English in byte-pair tokens has about four; a little less, because a context that is too short is worse."""
_SEEN = ("image", "video", "file", "screenshot")
"""Words in the types of pictures, and of files, which most often are documents with pictures of their pages."""
_MEDIA = (*_SEEN, "audio")
_BYTES_PER_IMAGE = 3500
"""About 1,000 tokens, because a picture's base64 is not text."""
MOST_TOKENS = 10**12
"""More than any model writes; a larger count says nothing, and could be too large to reckon with."""
_MOST_CHOICES = 10**6
_LONGEST_MODEL = 512


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request for an answer; `fields` is the parsed body, which nothing here changes."""

    path: str
    body: bytes
    fields: Mapping[str, Any]
    model: str
    stream: bool
    cloud_forbidden: bool

    @cached_property
    def messages(self) -> list[dict[str, Any]]:
        """The conversation, for any of the three text paths; empty for embeddings."""
        given: object
        if self.path == RESPONSES:
            given = self.fields.get("input")
            if isinstance(given, list):
                given = [message for item in given if (message := message_of_item(item)) is not None]
            instructions = self.fields.get("instructions")
            if isinstance(instructions, str) and isinstance(given, list):
                given = [{"role": "system", "content": instructions}, *given]
        elif self.path == "/v1/completions":
            given = self.fields.get("prompt")
            if isinstance(given, list):
                # Several prompts are one request, which one side answers; prompts of token ids hold no text.
                given = [{"role": "user", "content": text} for text in given if isinstance(text, str)]
        else:
            given = self.fields.get("messages")
        if isinstance(given, str):
            return [{"role": "user", "content": given}]
        return [with_tools(item) for item in given if isinstance(item, dict)] if isinstance(given, list) else []

    @property
    def previous(self) -> str | None:
        """The id of the answer that this request goes on from, which only the side that gave it has."""
        given = self.fields.get("previous_response_id") if self.path == RESPONSES else None
        return given if isinstance(given, str) else None

    @property
    def tools(self) -> list[object]:
        """The definitions of tools."""
        given = self.fields.get("tools") or self.fields.get("functions")
        return given if isinstance(given, list) else []

    @property
    def needs_tools(self) -> bool:
        """Whether the answer may have to be a call of a tool."""
        return bool(self.tools)

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The `type` of all content parts, such as text, image_url, input_audio."""
        return frozenset(kind for part in self._parts() if isinstance(kind := part.get("type"), str))

    @property
    def needs_vision(self) -> bool:
        """Whether there is anything to see."""
        return any(word in kind for kind in self.kinds for word in _SEEN)

    @property
    def needs_audio(self) -> bool:
        """Whether there is sound to hear or to make."""
        modalities = self.fields.get("modalities")
        return any("audio" in kind for kind in self.kinds) or (isinstance(modalities, list) and "audio" in modalities)

    @cached_property
    def tokens(self) -> int:
        """About how many tokens of context the request needs, with the longest answer that it allows."""
        size = len(self.body)
        for part in self._parts():
            # Any other part is text, such as what the assistant wrote before: output_text, refusal.
            if any(word in str(part.get("type")) for word in _MEDIA):
                size -= _length(part) - _BYTES_PER_IMAGE
        return round(max(size, 0) / _BYTES_PER_TOKEN) + self.answer_tokens

    @property
    def answer_tokens(self) -> int:
        """The longest answer that the client allows, 0 where it does not say."""
        for name in ("max_completion_tokens", "max_output_tokens", "max_tokens"):
            value = self.fields.get(name)
            if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                return min(value, MOST_TOKENS)
        return 0

    @property
    def choices(self) -> int:
        """How many answers a side writes, each as long as the client allows, also where it throws some away."""
        wanted = max(_count(self.fields.get("n")), _count(self.fields.get("best_of")))
        prompts = self.fields.get("prompt") if self.path == "/v1/completions" else None
        several = 1
        # A list of numbers is the tokens of one prompt.
        if isinstance(prompts, list) and not any(isinstance(item, int) for item in prompts):
            several = max(1, len(prompts))
        return min(wanted * several, _MOST_CHOICES)

    def _parts(self) -> list[dict[str, Any]]:
        contents = [message.get("content") for message in self.messages]
        return [part for parts in contents if isinstance(parts, list) for part in parts if isinstance(part, dict)]


def _count(value: object) -> int:
    return max(1, value) if isinstance(value, int) and not isinstance(value, bool) else 1


def _length(part: dict[str, Any]) -> int:
    """Return about how many bytes a part has in JSON. No writer is asked, which would copy a picture of megabytes."""
    length = 0
    waiting: list[object] = [part]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            length += len(value) + 2
        elif isinstance(value, dict):
            waiting += (*value, *value.values())
        elif isinstance(value, list):
            waiting += value
        length += 2
    return length


def read_asked(path: str, body: bytes, headers: Mapping[str, str]) -> Asked:
    """Return what a POST body asks for.

    Raises:
        ApiError: 400, not a JSON object in UTF-8, or `model`, `messages` or `stream` are missing or of a wrong type.
    """
    fields = read_object(body)
    model = fields.get("model")
    if not isinstance(model, str) or not model:
        raise ApiError(400, "you must give a model", param="model", hint="auto, device, cloud or a name of /v1/models")
    if len(model) > _LONGEST_MODEL:
        raise ApiError(400, f"the model's name has more than {_LONGEST_MODEL} characters", param="model")
    stream = fields.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise ApiError(400, "stream is neither true nor false", param="stream")
    if path == "/v1/chat/completions":
        messages = fields.get("messages")
        if not isinstance(messages, list) or not messages or not all(isinstance(item, dict) for item in messages):
            raise ApiError(400, "messages is not a list of at least one message", param="messages")
    return Asked(
        path=path,
        body=body,
        fields=fields,
        model=model,
        stream=bool(stream),
        cloud_forbidden=forbids_cloud(fields, headers),
    )


def read_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a body.

    Raises:
        ApiError: 400, it is none, not in UTF-8, or has a key twice.
    """
    try:
        fields = json.loads(body.decode("utf-8"), object_pairs_hook=_object_once)
    except _TwiceError as error:
        # The bytes are passed on: what is read here would not be what a side reads that takes the other value.
        raise ApiError(400, "the body has a key twice in one object", code="invalid_json") from error
    except (ValueError, RecursionError) as error:
        # Without the parser's words, which quote the body.
        raise ApiError(400, "the body is not JSON in UTF-8", code="invalid_json") from error
    if not isinstance(fields, dict):
        raise ApiError(400, "the body is not a JSON object", code="invalid_json")
    return fields


def forbids_cloud(fields: Mapping[str, Any], headers: Mapping[str, str]) -> bool:
    """Return whether a header, the metadata or the body itself forbids the cloud; one of them is enough.

    Raises:
        ApiError: 400, a value that is neither yes nor no, because a guess could tell a secret.
    """
    metadata = fields.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise ApiError(400, "metadata is not an object", param="metadata")
    # A header may come several times, and `get` would give the first.
    places = (headers, fields, metadata or {})
    values: list[object] = [value for place in places for name, value in place.items() if _spells(name, CLOUD_FIELD)]
    forbidden = False
    for value in values:
        word = str(value).strip().lower() if isinstance(value, str | bool | int) else ""
        if word not in (*_YES, *_NO):
            raise ApiError(400, f"{CLOUD_FIELD} is neither true nor false", param=CLOUD_FIELD)
        forbidden |= word in _NO
    return forbidden


def _spells(name: str, field: str) -> bool:
    """Return whether `name` means `field`: written as a header is, or in other letters, it is meant all the same."""
    return name.strip().lower().replace("-", "_").removeprefix("x_") == field


def _object_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _TwiceError
    return found


class _TwiceError(Exception):
    """A key comes twice in one object of a body."""
