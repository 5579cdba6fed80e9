"""Spans of requests: their tree, their attributes, no text, and that a real exporter sends them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web

from benchmarks.gateway.scripted import Way
from tests.support.gateway import EASY, Running, loop_in_a_thread, running
from vibe_router import Router
from vibe_router_gateway.log.entry import Entry
from vibe_router_gateway.tracing import Tracing, open_tracing

pytest.importorskip("opentelemetry.sdk", reason="the trace extra")

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traced(nano: Router, tmp_path: Path, exporter: InMemorySpanExporter) -> Iterator[Running]:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with running(nano, tmp_path, tracing=Tracing(provider)) as started:
        yield started


def spans(gateway: Running, exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    gateway.rows()
    return {span.name: span for span in exporter.get_finished_spans()}


def test_a_request_is_a_tree_of_spans_without_text(traced: Running, exporter: InMemorySpanExporter) -> None:
    answer = traced.chat("hi, a private matter", headers={"traceparent": PARENT})
    found = spans(traced, exporter)
    assert list(found) == ["route", "chat device-model", "POST /v1/chat/completions"]
    request, score, asked = found["POST /v1/chat/completions"], found["route"], found["chat device-model"]
    assert request.parent is not None
    assert f"{request.parent.trace_id:032x}-{request.parent.span_id:016x}" == PARENT[3:-3]
    for span in (score, asked):
        assert span.parent is not None
        assert span.parent.span_id == request.context.span_id
        assert span.context.trace_id == request.context.trace_id
    assert (request.kind, asked.kind) == (SpanKind.SERVER, SpanKind.CLIENT)
    assert asked.attributes is not None
    assert request.attributes is not None
    assert asked.attributes["gen_ai.operation.name"] == "chat"
    assert asked.attributes["gen_ai.usage.output_tokens"] == answer.json()["usage"]["completion_tokens"]
    assert request.attributes["vibe_router.target"] == "device"
    assert request.attributes["vibe_router.id"] == answer.headers["x-request-id"]
    assert "private" not in "".join(span.to_json() for span in found.values())
    received = {name.lower(): value for name, value in traced.device.seen[-1].headers.items()}["traceparent"]
    assert received.split("-")[1:3] == [f"{asked.context.trace_id:032x}", f"{asked.context.span_id:016x}"]


def test_a_fault_of_one_side_is_a_failed_span_next_to_the_others(
    traced: Running, exporter: InMemorySpanExporter
) -> None:
    traced.device.choose = lambda _: Way.SERVER_ERROR
    assert traced.chat(EASY).headers["x-vibe-side"] == "cloud"
    found = spans(traced, exporter)
    failed, answered = found["chat device-model"], found["chat cloud-model"]
    assert failed.attributes is not None
    assert failed.attributes["error.type"] == "server_error"
    assert (failed.status.is_ok, answered.status.is_ok) == (False, True)
    assert found["POST /v1/chat/completions"].status.is_ok


def test_the_exporter_sends_to_where_its_variable_says(monkeypatch: pytest.MonkeyPatch) -> None:
    bodies: list[bytes] = []

    async def take(request: web.Request) -> web.Response:
        bodies.append(await request.read())
        return web.Response()

    async def serve() -> tuple[web.AppRunner, int]:
        app = web.Application()
        app.router.add_post("/v1/traces", take)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner, int(runner.addresses[0][1])

    with loop_in_a_thread() as loop:
        runner, port = asyncio.run_coroutine_threadsafe(serve(), loop).result(60)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
        tracing = open_tracing()
        tracing.begin("/v1/completions", {}).end(Entry(id="req_1", time=time.time(), outcome="answered"))
        tracing.close()
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(60)
    assert any(b"POST /v1/completions" in body and b"vibe-router" in body for body in bodies)
