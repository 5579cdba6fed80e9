"""Answer a request for text: decide, ask the sides in turn, pass the answer on."""

from __future__ import annotations

import asyncio
import time

from aiohttp import web

from vibe_router.policy import Target
from vibe_router_gateway.asked import MOST_TOKENS, RESPONSES, Asked
from vibe_router_gateway.budget import cost_of, expected_cost
from vibe_router_gateway.config.settings import Upstream
from vibe_router_gateway.endpoints.deciding import decide
from vibe_router_gateway.exchange import Exchange
from vibe_router_gateway.gateway import Gateway
from vibe_router_gateway.live import Live
from vibe_router_gateway.log.entry import Outcome
from vibe_router_gateway.plan import Plan
from vibe_router_gateway.problems import ApiError
from vibe_router_gateway.upstream.call import Answer, ask
from vibe_router_gateway.upstream.events import Event, error_event
from vibe_router_gateway.upstream.faults import FaultKind, UpstreamError, error_of_faults

_SHORTEST_WAIT_S = 0.05


async def answer(gateway: Gateway, request: web.Request, asked: Asked, exchange: Exchange) -> web.StreamResponse:
    """Return the answer of a side, passed on; the exchange is filled and recorded in any case.

    Raises:
        ApiError: the request is refused, or no side has answered.
    """
    exchange.asked = asked
    exchange.entry.asked_model, exchange.entry.stream = asked.model, asked.stream
    async with gateway.using() as live:
        plan = await decide(gateway, live, asked, exchange)
        exchange.note_plan(plan)
        if gateway.log is not None:
            # In the loop's next turn: the side's time is waited for anyway.
            asyncio.get_running_loop().call_soon(gateway.log.add, exchange.entry)
            if live.settings.log.log_prompts:
                gateway.log.add_prompt(exchange.entry.id, asked.body)
        got: Answer | None = None
        try:
            got = await _first_answer(gateway, live, request, asked, plan, exchange)
            if got.body is not None:
                return _whole(got, exchange)
            return await _relay(gateway, request, got, exchange)
        finally:
            if got is not None:
                got.close()
            _settle(gateway, live, got, exchange)


async def _first_answer(
    gateway: Gateway, live: Live, request: web.Request, asked: Asked, plan: Plan, exchange: Exchange
) -> Answer:
    """Return the first usable answer of the sides in their order.

    Raises:
        ApiError: none has given one.
    """
    faults = live.settings.faults
    deadline = time.monotonic() + faults.total_s
    for upstream in plan.tries:
        elsewhere: tuple[str, ...] = ()
        if upstream is not plan.tries[-1]:
            elsewhere = faults.device_to_cloud if upstream.side is Target.DEVICE else faults.cloud_to_device
        for number in range(upstream.settings.retries + 1):
            if exchange.faults and not _may_pay(gateway, upstream, asked):
                raise error_of_faults(exchange.faults)
            try:
                return await _ask_once(gateway, live, request, asked, plan, upstream, exchange, deadline)
            except UpstreamError as fault:
                exchange.faults.append(fault)
                live.rest(fault)
                if fault.kind.value in elsewhere or not fault.passes or number == upstream.settings.retries:
                    break
                wait = max(_SHORTEST_WAIT_S * 2**number, fault.retry_after_s or 0.0)
                if wait > min(deadline - time.monotonic(), faults.longest_wait_s):
                    break
                started = time.perf_counter()
                await asyncio.sleep(wait)
                exchange.upstream_ms += (time.perf_counter() - started) * 1000
        if exchange.faults[-1].kind.value not in elsewhere or time.monotonic() >= deadline:
            break
    raise error_of_faults(exchange.faults)


def _may_pay(gateway: Gateway, upstream: Upstream, asked: Asked) -> bool:
    """Return whether a side may still be asked; others may have spent the budget since the request was decided."""
    return upstream.side is Target.DEVICE or gateway.budget.left(expected_cost(upstream.settings, asked))


async def _ask_once(
    gateway: Gateway,
    live: Live,
    request: web.Request,
    asked: Asked,
    plan: Plan,
    upstream: Upstream,
    exchange: Exchange,
    deadline: float,
) -> Answer:
    """Return one side's answer.

    Raises:
        UpstreamError: it has none.
    """
    rest = live.resting_s(upstream.side)
    if rest > live.settings.faults.longest_wait_s or (rest and len(plan.tries) > 1 and upstream is plan.tries[0]):
        raise UpstreamError(FaultKind.RATE_LIMITED, upstream.side, retry_after_s=rest)
    started = time.perf_counter()
    expected = expected_cost(upstream.settings, asked)
    if upstream.side is Target.CLOUD:
        exchange.reserved = (gateway.budget.reserve(expected), expected)
    answered = False
    try:
        model = plan.model if plan.model is not None else await live.default_model(upstream)
        context = exchange.spans.ask(asked.path, model, upstream.settings.url) if exchange.spans is not None else {}
        got = await ask(
            live.sessions[upstream.side],
            upstream,
            path=asked.path,
            body=asked.body,
            model=model,
            stream=asked.stream,
            headers=request.headers,
            context=context,
            limits=live.settings.limits,
            within_s=max(0.0, deadline - time.monotonic()),
            faults=exchange.faults,
        )
        answered = True
        return got
    except UpstreamError as fault:
        exchange.fail_span(fault)
        raise
    finally:
        exchange.upstream_ms += (time.perf_counter() - started) * 1000
        if not answered and exchange.reserved is not None:
            gateway.budget.settle(*exchange.reserved, 0.0, answered=False)
            exchange.reserved = None


def _whole(got: Answer, exchange: Exchange) -> web.Response:
    exchange.note_first_byte(got.side, got.status)
    value = got.value or {}
    usage, answer_id = value.get("usage"), value.get("id")
    got.seen.usage = usage if isinstance(usage, dict) else None
    got.seen.answer_id = answer_id if isinstance(answer_id, str) else None
    exchange.end(Outcome.ANSWERED, status=got.status)
    headers = {**got.headers, **exchange.headers()}
    return web.Response(status=got.status, body=got.body, headers=headers)


async def _relay(gateway: Gateway, request: web.Request, got: Answer, exchange: Exchange) -> web.StreamResponse:
    """Pass a stream on, event by event as they come; what breaks it is told in an event of its own."""
    exchange.note_first_byte(got.side, got.status)
    response = web.StreamResponse(status=got.status, headers={**got.headers, **exchange.headers()})
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Accel-Buffering"] = "no"
    await response.prepare(request)
    fault: UpstreamError | None = None
    try:
        if not await _pass_on(gateway, response, got, got.first):
            async for events in got.rest():
                if await _pass_on(gateway, response, got, events):
                    break
        if not got.seen.complete and not got.seen.failed:
            fault = UpstreamError(FaultKind.BROKEN, got.side)
    except UpstreamError as broken:
        fault = broken
    if fault is None or got.seen.complete:
        exchange.end(Outcome.BROKEN if got.seen.failed else Outcome.ANSWERED)
    else:
        exchange.faults.append(fault)
        exchange.end(Outcome.BROKEN, code=f"upstream_{fault.kind.value}")
        await response.write(
            error_event(
                f"the {got.side.value} stopped in the middle of its answer ({fault.kind.value})",
                code=f"upstream_{fault.kind.value}",
                path=exchange.entry.path,
                request_id=exchange.entry.id,
            )
        )
    await response.write_eof()
    return response


async def _pass_on(gateway: Gateway, response: web.StreamResponse, got: Answer, events: list[Event]) -> bool:
    """Write events; return whether the stream ends with them, although its side may keep the connection open."""
    for event in events:
        got.seen.add(event)
    # Before the client has these events, because its next request may name the answer before the stream has ended.
    _note_answer(gateway, got)
    await response.write(b"".join(event.raw for event in events))
    return any(event.done for event in events)


def _note_answer(gateway: Gateway, got: Answer) -> None:
    if got.seen.answer_id is not None:
        gateway.answered.note(got.seen.answer_id, got.side)


def _settle(gateway: Gateway, live: Live, got: Answer | None, exchange: Exchange) -> None:
    """Enter tokens, cost and the answer's id, and settle the budget; the answer is over, or its client has left."""
    asked, entry = exchange.asked, exchange.entry
    if got is None or asked is None:
        return
    if asked.path == RESPONSES and got.seen.answer_id is not None:
        entry.answer_id = got.seen.answer_id
        _note_answer(gateway, got)
    usage = got.seen.usage or {}
    given = _count(usage, "prompt_tokens", "input_tokens"), _count(usage, "completion_tokens", "output_tokens")
    if got.status >= 400 and not usage:
        # A refusal is passed on, and is not charged for.
        given = 0, 0
    entry.estimated = None in given
    entry.input_tokens = asked.tokens - asked.answer_tokens if given[0] is None else given[0]
    entry.output_tokens = got.seen.pieces if given[1] is None else given[1]
    upstream = live.settings.upstream(got.side)
    entry.cost = 0.0 if upstream is None else cost_of(upstream.settings, entry.input_tokens, entry.output_tokens)
    if exchange.reserved is not None:
        gateway.budget.settle(*exchange.reserved, entry.cost, answered=True)
        exchange.reserved = None


def _count(usage: dict[str, object], *names: str) -> int | None:
    for name in names:
        value = usage.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS:
            return value
    return None


def refuse(exchange: Exchange, error: ApiError) -> web.Response:
    """Return an error to the client, and keep it in the exchange."""
    outcome = Outcome.FAILED if exchange.faults else Outcome.REFUSED
    exchange.end(outcome, status=error.status, code=error.code or error.kind)
    return error.reply(exchange.headers())
