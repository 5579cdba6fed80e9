"""An upstream that answers as it is told to: well, slowly, brokenly, or never. It remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from aiohttp import web


class Way(str, Enum):
    """How a request is answered."""

    WELL = "well"
    SLOW = "slow"
    """Well, but only after `slow_s`."""
    NEVER = "never"
    """Headers and the first event of a stream, then nothing; for a whole answer nothing at all."""
    SILENT = "silent"
    """Not even headers."""
    EARLY = "early"
    """The connection ends before any byte."""
    BROKEN = "broken"
    """The connection ends in the middle of the answer."""
    UNFINISHED = "unfinished"
    """The stream ends in order, but without its last events."""
    MALFORMED = "malformed"
    """What should be JSON is none."""
    MALFORMED_LATER = "malformed later"
    ERROR_EVENT = "error event"
    """Status 200, and the first event is an error."""
    RATE_LIMITED = "429"
    SERVER_ERROR = "500"
    UNAUTHORIZED = "401"
    BAD_REQUEST = "400"
    HEARTBEAT = "heartbeat"
    """Comments before the first event."""


@dataclass
class Seen:
    """One request as it came."""

    path: str
    body: bytes
    headers: dict[str, str]
    raw_headers: list[tuple[str, str]]
    """As they came, also where one comes twice."""
    at: float
    way: Way
    left_at: float | None = None
    """When its client went away, on the clock of `time.perf_counter`."""
    done: bool = False

    @property
    def fields(self) -> dict[str, Any]:
        """The body as JSON."""
        value: dict[str, Any] = json.loads(self.body)
        return value


@dataclass
class ScriptedUpstream:
    """`choose` gives the way of each request; `pieces` events with text make a stream, `pause_s` apart."""

    name: str
    choose: Callable[[dict[str, Any]], Way] = lambda _: Way.WELL
    pieces: int = 3
    pause_s: float = 0.0
    slow_s: float = 0.5
    retry_after: str | None = None
    usage: bool = True
    responses: int = 0
    """Objects of the responses API so far; the number is part of their ids."""
    seen: list[Seen] = field(default_factory=list)
    keep_seen: bool = True

    def app(self) -> web.Application:
        """Return the application; serve it with `handler_cancellation`, so that `left_at` is known."""
        app = web.Application(client_max_size=2**30)
        for path in ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"):
            app.router.add_post(path, self._post)
        app.router.add_get("/v1/models", self._models)
        return app

    async def _models(self, _: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": f"{self.name}-model", "object": "model"}]})

    async def _post(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        fields = json.loads(body)
        seen = Seen(
            request.path,
            body,
            dict(request.headers),
            list(request.headers.items()),
            time.perf_counter(),
            self.choose(fields),
        )
        if self.keep_seen:
            self.seen.append(seen)
        try:
            response = await self._answer(request, fields, seen.way)
            seen.done = True
            return response
        except (asyncio.CancelledError, ConnectionError):
            seen.left_at = time.perf_counter()
            raise

    async def _answer(self, request: web.Request, fields: dict[str, Any], way: Way) -> web.StreamResponse:
        if way in (Way.RATE_LIMITED, Way.SERVER_ERROR, Way.UNAUTHORIZED, Way.BAD_REQUEST):
            headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
            error = {"message": f"{self.name} says {way.value}", "type": "scripted", "code": None, "param": None}
            return web.json_response({"error": error}, status=int(way.value), headers=headers)
        if way is Way.SLOW:
            await asyncio.sleep(self.slow_s)
        if way is Way.SILENT or (way is Way.NEVER and not fields.get("stream")):
            await asyncio.sleep(3600)
        if way is Way.EARLY:
            _break(request)
        return await (self._stream if fields.get("stream") else self._whole)(request, fields, way)

    async def _whole(self, request: web.Request, fields: dict[str, Any], way: Way) -> web.StreamResponse:
        body = json.dumps(self._body(request.path, fields)).encode()
        if way is Way.MALFORMED:
            return web.Response(body=body[: len(body) // 2], content_type="application/json")
        if way in (Way.BROKEN, Way.UNFINISHED, Way.MALFORMED_LATER):
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            response.content_length = len(body)
            await response.prepare(request)
            await response.write(body[: len(body) // 2])
            _break(request)
        return web.Response(body=body, content_type="application/json", headers={"x-request-id": "up-1"})

    async def _stream(self, request: web.Request, fields: dict[str, Any], way: Way) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        if way is Way.HEARTBEAT:
            for _ in range(3):
                await response.write(b": still here\n\n")
                await asyncio.sleep(0.01)
        if way is Way.ERROR_EVENT:
            await response.write(b'data: {"error": {"message": "scripted", "code": 500}}\n\n')
            return response
        if way is Way.MALFORMED:
            await response.write(b"data: {not json\n\n")
            return response
        if request.path == "/v1/responses" and way is Way.WELL:
            for event in self._response_events(fields):
                await response.write(f"event: {event['type']}\n".encode() + _event(event))
                if self.pause_s:
                    await asyncio.sleep(self.pause_s)
            return response
        for number in range(self.pieces):
            await response.write(_event(self._chunk(fields, f"{self.name}{number} ", None)))
            if way is Way.NEVER:
                await asyncio.sleep(3600)
            if way is Way.MALFORMED_LATER:
                # Apart, so that the first event has been passed on.
                await asyncio.sleep(0.05)
                await response.write(b"data: {not json\n\n")
                return response
            if way is Way.BROKEN:
                await response.write(b'data: {"half": ')
                _break(request)
            if self.pause_s:
                await asyncio.sleep(self.pause_s)
        if way is Way.UNFINISHED:
            return response
        await response.write(_event(self._chunk(fields, "", "stop")))
        options = fields.get("stream_options") or {}
        if options.get("include_usage"):
            await response.write(_event({**self._chunk(fields, "", None), "choices": [], "usage": _USAGE}))
        await response.write(b"data: [DONE]\n\n")
        return response

    def _body(self, path: str, fields: dict[str, Any]) -> dict[str, Any]:
        if path == "/v1/embeddings":
            data = [{"object": "embedding", "index": 0, "embedding": [0.25, 0.5]}]
            return {"object": "list", "model": fields["model"], "data": data, "usage": _USAGE}
        if path == "/v1/responses":
            return self._response(fields, "completed")
        message: dict[str, Any] = {"role": "assistant", "content": f"{self.name} answers"}
        if fields.get("tools"):
            function = {"name": fields["tools"][0]["function"]["name"], "arguments": "{}"}
            message = {"role": "assistant", "content": None}
            message["tool_calls"] = [{"id": "call_1", "type": "function", "function": function}]
        choice = {"index": 0, "message": message, "finish_reason": "stop", "text": f"{self.name} answers"}
        body = {"id": "c1", "object": "chat.completion", "created": 1, "model": fields["model"], "choices": [choice]}
        return {**body, "usage": _USAGE} if self.usage else body

    def _response(self, fields: dict[str, Any], status: str) -> dict[str, Any]:
        """Return an object of the responses API; its id is new each time it is begun."""
        if status != "completed" or not fields.get("stream"):
            self.responses += 1
        text = {"type": "output_text", "text": f"{self.name} answers", "annotations": []}
        message = {"type": "message", "id": "m1", "role": "assistant", "status": "completed", "content": [text]}
        return {
            "id": f"resp_{self.name}_{self.responses}",
            "object": "response",
            "created_at": 1,
            "model": fields["model"],
            "status": status,
            "output": [message] if status == "completed" else [],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
        }

    def _response_events(self, fields: dict[str, Any]) -> list[dict[str, Any]]:
        where = {"item_id": "m1", "output_index": 0, "content_index": 0}
        deltas: list[dict[str, Any]] = [
            {"type": "response.output_text.delta", **where, "delta": f"{self.name}{number} ", "logprobs": []}
            for number in range(self.pieces)
        ]
        begun: dict[str, Any] = {"type": "response.created", "response": self._response(fields, "in_progress")}
        events = [begun, *deltas, {"type": "response.completed", "response": self._response(fields, "completed")}]
        return [{**event, "sequence_number": number} for number, event in enumerate(events)]

    def _chunk(self, fields: dict[str, Any], text: str, finish: str | None) -> dict[str, Any]:
        choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}
        return {
            "id": "c1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": fields["model"],
            "choices": [choice],
        }


_USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def _break(request: web.Request) -> None:
    """End the connection as a process that dies does.

    Raises:
        CancelledError: always, so that nothing more is written and aiohttp reports no error of its own.
    """
    if request.transport is not None:
        request.transport.abort()
    raise asyncio.CancelledError
