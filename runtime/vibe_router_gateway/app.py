"""The web application: paths, and what every request goes through before and after its endpoint."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import HttpVersion11, web
from aiohttp.typedefs import Middleware

from vibe_router.errors import VibeRouterError
from vibe_router_gateway.access import check_access, cors_headers
from vibe_router_gateway.asked import read_asked
from vibe_router_gateway.endpoints import health, models, owner
from vibe_router_gateway.endpoints.answering import answer, refuse
from vibe_router_gateway.endpoints.decisions import decide_only, system_one
from vibe_router_gateway.exchange import ID_HEADER, Exchange, id_headers, new_id
from vibe_router_gateway.gateway import Gateway
from vibe_router_gateway.log.entry import Outcome
from vibe_router_gateway.problems import ApiError

if sys.version_info >= (3, 11):
    from asyncio import timeout
else:
    from async_timeout import timeout

_LOGGER = logging.getLogger("vibe_router")
ANSWERED = ("/v1/chat/completions", "/v1/responses", "/v1/completions", "/v1/embeddings")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build_app(gateway: Gateway) -> web.Application:
    """Return the application of a gateway; whoever runs it closes the gateway."""
    app = web.Application(client_max_size=2**40, middlewares=[_guarding(gateway)])
    app.on_response_prepare.append(_completing(gateway))
    for path in ANSWERED:
        app.router.add_post(path, _answering(gateway), expect_handler=_expected)
    for path, endpoint in (
        ("/v1/models", models.list_models),
        ("/v1/models/{name:.+}", models.one_model),
        ("/healthz", health.health),
        ("/readyz", health.ready),
        ("/metrics", health.metrics),
        ("/", owner.page),
        ("/v1/vibe/status", owner.status),
    ):
        app.router.add_get(path, partial(endpoint, gateway), expect_handler=_expected)
    app.router.add_post("/admin/reload", partial(owner.reload, gateway), expect_handler=_expected)
    for path in ("/v1/decision", "/v1/systemone", "/v1/feedback"):
        app.router.add_post(path, _owned(gateway), expect_handler=_expected)
    return app


async def _expected(request: web.Request) -> web.StreamResponse | None:
    """Ask for a body that its client holds back, as curl does with a large one; refuse what else is expected."""
    if request.headers["Expect"].lower() != "100-continue":
        return ApiError(417, "only 100-continue may be expected", code="expectation_failed").reply({})
    if request.version >= HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # What is written so is no part of the answer.
        request.writer.output_size = 0
    return None


def _answering(gateway: Gateway) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        exchange = Exchange.begin(request.path)
        if gateway.tracing is not None:
            exchange.spans = gateway.tracing.begin(request.path, request.headers)
        try:
            body = await read_body(request, gateway)
            asked = read_asked(request.path, body, request.headers)
            return await answer(gateway, request, asked, exchange)
        except ApiError as error:
            return refuse(exchange, error)
        except (asyncio.CancelledError, ConnectionError):
            exchange.end(Outcome.LEFT)
            raise
        except Exception as error:  # noqa: BLE001 - `_failed` logs it with its traceback
            exchange.end(Outcome.FAILED, status=500, code="internal")
            return _failed(error).reply(exchange.headers())
        finally:
            gateway.record(exchange)

    return handle


def _owned(gateway: Gateway) -> Handler:
    """Return the handler of what is asked without an answer of a side; it leaves no row in the log."""

    async def handle(request: web.Request) -> web.StreamResponse:
        exchange = Exchange.begin(request.path)
        try:
            body = await read_body(request, gateway)
            if request.path == "/v1/decision":
                return await decide_only(gateway, body, request.headers, exchange)
            if request.path == "/v1/systemone":
                return await system_one(gateway, body, request.headers, exchange)
            return await owner.feedback(gateway, body)
        except ApiError as error:
            return refuse(exchange, error)

    return handle


async def read_body(request: web.Request, gateway: Gateway) -> bytes:
    """Return the body, which must be here whole before anything is decided.

    Raises:
        ApiError: 413, larger than allowed; 408, not here in time; 400, chunks or a compression that cannot be read.
    """
    limits = gateway.live.settings.limits
    too_large = ApiError(413, f"the body has more than {limits.body_bytes} bytes", code="body_too_large")
    if (request.content_length or 0) > limits.body_bytes:
        raise too_large
    parts: list[bytes] = []
    size = 0
    try:
        async with timeout(limits.body_s):
            async for part in request.content.iter_any():
                size += len(part)
                if size > limits.body_bytes:
                    raise too_large
                parts.append(part)
    except web.RequestPayloadError as error:
        raise ApiError(400, "the body is not encoded as its headers say", code="invalid_body") from error
    except asyncio.TimeoutError as error:
        raise ApiError(408, "the body has not come in time", code="body_slow", may_retry=True) from error
    return b"".join(parts)


def _completing(gateway: Gateway) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Return what every response gets, an error from before its endpoint too: an id, and leave for allowed pages."""

    async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
        if ID_HEADER not in response.headers:
            response.headers.update(id_headers(new_id()))
        response.headers.update(cors_headers(request, gateway.live.settings))

    return add_headers


def _failed(error: Exception) -> ApiError:
    """Return what a client is told of a request that failed in the gateway, and log it."""
    if isinstance(error, VibeRouterError):
        _LOGGER.error("a request failed: %s", error.message)
        return ApiError(500, error.message, kind="server_error", code="failed", hint=error.hint)
    _LOGGER.error("a request failed: %s", type(error).__name__, exc_info=error)
    return ApiError(500, "the gateway has failed", kind="server_error", code="internal")


def _guarding(gateway: Gateway) -> Middleware:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        settings = gateway.live.settings
        gateway.metrics.open.inc()
        gateway.open_requests += 1
        try:
            if gateway.open_requests > settings.limits.connections:
                raise ApiError(
                    503, "too many open requests", kind="server_error", code="busy", retry_after_s=1, may_retry=True
                )
            check_access(request, settings)
            if request.method == "OPTIONS":
                response: web.StreamResponse = web.Response(status=204)
            else:
                response = await handler(request)
        except ApiError as error:
            response = error.reply({})
        except web.HTTPException as error:
            # The methods that a path has: HTTP wants them told with a 405.
            allowed = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
            response = ApiError(error.status, f"{error.reason}: {request.method} {request.path}").reply(allowed)
        except ConnectionError:
            # The client has gone; nobody reads what is returned.
            raise
        except Exception as error:  # noqa: BLE001 - `_failed` logs it with its traceback
            response = _failed(error).reply({})
        finally:
            gateway.metrics.open.dec()
            gateway.open_requests -= 1
        return response

    return guard
