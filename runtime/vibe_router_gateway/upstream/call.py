"""Ask one side once: from the request's bytes to an answer whose first part is here, or a fault."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from vibe_router.policy import Target
from vibe_router_gateway.config.settings import LimitSettings, SideSettings, Upstream
from vibe_router_gateway.header_text import is_sendable
from vibe_router_gateway.json_splice import replace_member
from vibe_router_gateway.problems import ApiError
from vibe_router_gateway.upstream.connections import Connections
from vibe_router_gateway.upstream.events import Event, EventCutter, MalformedStreamError, Seen
from vibe_router_gateway.upstream.faults import FaultKind, UpstreamError, fault_of_status

if sys.version_info >= (3, 11):
    from asyncio import timeout
else:
    from async_timeout import timeout

_CHUNK = 65536
# Of the client's headers only these reach the upstream: no key, cookie or address of the client does.
_PASSED_UP = ("accept", "openai-beta", "idempotency-key")
# The body has been read as JSON, whatever the client calls it: curl says that it is a form, which some servers refuse.
_JSON = {"content-type": "application/json"}
_PASSED_DOWN = ("content-type", "retry-after", "retry-after-ms", "x-should-retry", "openai-model", "openai-version")
_PASSED_DOWN_PREFIXES = ("x-ratelimit-", "openai-processing-")


@dataclass
class Answer:
    """What one side answered. A whole answer has `body`; a stream has `first`, whole events, and goes on."""

    side: Target
    status: int
    headers: dict[str, str]
    body: bytes | None = None
    value: dict[str, Any] | None = None
    first: list[Event] = field(default_factory=list)
    seen: Seen = field(default_factory=Seen)
    _idle_s: float | None = None
    _response: aiohttp.ClientResponse | None = None
    _cutter: EventCutter | None = None

    async def rest(self) -> AsyncIterator[list[Event]]:
        """Yield the events after the first, as many at a time as arrive together.

        Raises:
            UpstreamError: the stream broke, paused for too long, or is malformed.
        """
        assert self._response is not None
        assert self._cutter is not None
        try:
            while chunk := await self._next_chunk(self._response):
                if events := self._cutter.feed(chunk):
                    yield events
                self._cutter.check()
            if (last := self._cutter.finish()) is not None:
                yield [last]
        except MalformedStreamError as error:
            raise UpstreamError(FaultKind.MALFORMED, self.side) from error
        except (aiohttp.ClientError, asyncio.TimeoutError, ConnectionError) as error:
            raise fault_of_error(error, self.side) from error

    async def _next_chunk(self, response: aiohttp.ClientResponse) -> bytes:
        """Return what has come, empty at the end; before the first event a side may pause for longer than here."""
        async with timeout(self._idle_s):
            return await response.content.readany()

    def close(self) -> None:
        """Drop the connection, which tells the upstream to stop; nothing where the answer is whole."""
        if self._response is not None:
            self._response.close()


async def ask(
    session: aiohttp.ClientSession,
    upstream: Upstream,
    *,
    path: str,
    body: bytes,
    model: str,
    stream: bool,
    headers: Mapping[str, str],
    context: Mapping[str, str],
    limits: LimitSettings,
    within_s: float,
    faults: list[UpstreamError],
) -> Answer:
    """Return the side's answer, whole, or as a stream whose first event is here; cancelling it cancels the upstream.

    Of the client's `headers` few are passed on; all of `context` is, the headers of a trace. `faults` gets one for each
    kept connection that ends just when it is used again: its side is not broken, and is asked on a new one.

    Raises:
        UpstreamError: no answer that a client could use; the connection is closed then.
    """
    side, settings = upstream.side, upstream.settings
    patience = min(within_s, settings.first_byte_s if stream else settings.answer_s)
    response: aiohttp.ClientResponse | None = None
    answer: Answer | None = None
    try:
        async with timeout(patience):
            response = await _post(
                session,
                settings.url + path.removeprefix("/v1"),
                body=replace_member(body, "model", model),
                headers={**_JSON, **upstream_headers(upstream, headers), **context},
                settings=settings,
                lost=lambda: faults.append(UpstreamError(FaultKind.BROKEN, side)),
            )
            answer = await _read(response, side, stream=stream, limits=limits)
            answer._idle_s = settings.idle_s
            return answer
    except MalformedStreamError as error:
        raise UpstreamError(FaultKind.MALFORMED, side) from error
    except (aiohttp.ClientError, asyncio.TimeoutError, ConnectionError, UnicodeError) as error:
        raise fault_of_error(error, side) from error
    finally:
        if response is not None and (answer is None or answer.body is not None):
            # A whole answer has given its connection back already; anything else must not be read to its end.
            response.close()


async def _post(
    session: aiohttp.ClientSession,
    url: str,
    *,
    body: bytes,
    headers: Mapping[str, str],
    settings: SideSettings,
    lost: Callable[[], None],
) -> aiohttp.ClientResponse:
    """Return the response to a request; `lost` is called for each kept connection that ends before it answers."""
    while True:
        try:
            return await session.post(
                url,
                data=body,
                headers=headers,
                params=settings.query or None,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=settings.connect_s),
                allow_redirects=False,
            )
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            if not (isinstance(session.connector, Connections) and session.connector.is_on_used()):
                raise
            lost()


def upstream_headers(upstream: Upstream, headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers for an upstream: a few of the client's, the settings', and the key."""
    sent = {name: value for name in _PASSED_UP if (value := headers.get(name)) is not None and is_sendable(value)}
    # Those of the settings take the place of the client's, in whatever letters they are written.
    sent |= {name.lower(): value for name, value in upstream.settings.headers.items()}
    if upstream.key is not None:
        name = upstream.settings.key_header.lower()
        bearer = "Bearer " if name == "authorization" else ""
        sent[name] = bearer + upstream.key.reveal()
    return sent


async def _read(response: aiohttp.ClientResponse, side: Target, *, stream: bool, limits: LimitSettings) -> Answer:
    if response.status < 200:
        raise UpstreamError(FaultKind.MALFORMED, side, status=response.status)
    if (fault := fault_of_status(response.status, response.headers, side)) is not None:
        raise fault
    headers = _headers_down(response.headers)
    if stream and response.status == 200:
        return await _read_first(response, side, headers, limits)
    body = await _read_whole(response, side, limits.answer_bytes)
    if response.status >= 300 and response.status < 400:
        raise UpstreamError(FaultKind.UNKNOWN_MODEL, side, status=response.status)
    value = _object_in(body)
    if value is None and response.status >= 400:
        # What stands before a side, such as nginx, refuses a large body in words of its own.
        body, headers["content-type"] = _refusal(side, response.status), "application/json"
    elif value is None or (response.status == 200 and value.get("error")):
        raise UpstreamError(FaultKind.MALFORMED, side, status=response.status)
    return Answer(side, response.status, headers, body=body, value=value)


def _object_in(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _refusal(side: Target, status: int) -> bytes:
    error = ApiError(status, f"the {side.value} refuses the request with HTTP {status}", code="upstream_refused")
    return json.dumps({"error": error.fields()}).encode()


async def _read_first(
    response: aiohttp.ClientResponse, side: Target, headers: dict[str, str], limits: LimitSettings
) -> Answer:
    """Return a stream with the first event that says something; comments are heartbeats and say nothing."""
    answer = Answer(side, response.status, headers, _response=response)
    if response.content_type != "text/event-stream":
        raise UpstreamError(FaultKind.MALFORMED, side, status=response.status)
    answer._cutter = EventCutter(most_bytes=limits.answer_bytes)
    while not any(event.data is not None for event in answer.first):
        chunk = await response.content.readany()
        if not chunk:
            raise UpstreamError(FaultKind.BROKEN, side, status=response.status)
        answer.first += answer._cutter.feed(chunk)
        answer._cutter.check()
    if next(event for event in answer.first if event.data is not None).failed:
        raise UpstreamError(FaultKind.SERVER_ERROR, side, status=response.status)
    return answer


async def _read_whole(response: aiohttp.ClientResponse, side: Target, most_bytes: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_chunked(_CHUNK):
        size += len(chunk)
        if size > most_bytes:
            raise UpstreamError(FaultKind.MALFORMED, side, status=response.status)
        parts.append(chunk)
    return b"".join(parts)


def _headers_down(headers: Mapping[str, str]) -> dict[str, str]:
    kept = {}
    for name, value in headers.items():
        lowered = name.lower()
        if (lowered in _PASSED_DOWN or lowered.startswith(_PASSED_DOWN_PREFIXES)) and is_sendable(value):
            kept[lowered] = value
    if "x-request-id" in headers and is_sendable(headers["x-request-id"]):
        kept["x-vibe-upstream-request-id"] = headers["x-request-id"]
    return kept


def fault_of_error(error: BaseException, side: Target) -> UpstreamError:
    """Return the fault of an exception of aiohttp; its own words may hold addresses and are dropped."""
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return UpstreamError(FaultKind.CONNECT, side)
    if isinstance(error, asyncio.TimeoutError):
        return UpstreamError(FaultKind.SLOW, side)
    if isinstance(error, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError | ConnectionError):
        return UpstreamError(FaultKind.BROKEN, side)
    if isinstance(error, aiohttp.ClientOSError):
        return UpstreamError(FaultKind.BROKEN, side)
    return UpstreamError(FaultKind.MALFORMED, side)
