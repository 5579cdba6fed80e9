"""OpenTelemetry spans of requests, by its conventions for generative AI.

A request has a server span, the time of its score an internal one, and each side that is asked a client one, whose
context the side receives. No span has text. Nothing of OpenTelemetry is imported where tracing is off. The names of
attributes are those of https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from vibe_router.errors import MissingExtraError
from vibe_router_gateway.log.entry import Entry, Outcome

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

_OPERATIONS = {"/v1/embeddings": "embeddings", "/v1/completions": "text_completion"}
# The wire format is what is known of a side; any server may speak it.
_PROVIDER = "openai"


@dataclass
class RequestSpans:
    """The spans of one request; `end` is called once, whatever happened."""

    tracer: Tracer
    request: Span
    asked: list[Span] = field(default_factory=list)

    def note_score(self, entry: Entry) -> None:
        """Add the span of a score that has just ended."""
        from opentelemetry.trace import set_span_in_context

        end = time.time_ns()
        begin = end - int((entry.score_ms or 0.0) * 1e6)
        span = self.tracer.start_span("route", context=set_span_in_context(self.request), start_time=begin)
        span.set_attributes(_decided(entry))
        span.end(end)

    def ask(self, path: str, model: str, url: str) -> dict[str, str]:
        """Begin the span of a side that is asked; return the headers that carry its context."""
        from opentelemetry.trace import SpanKind, set_span_in_context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        operation, place = _OPERATIONS.get(path, "chat"), urlsplit(url)
        attributes: dict[str, str | int] = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": _PROVIDER,
            "gen_ai.request.model": model,
            "server.address": place.hostname or "",
        }
        if place.port is not None:
            attributes["server.port"] = place.port
        span = self.tracer.start_span(
            f"{operation} {model}",
            context=set_span_in_context(self.request),
            kind=SpanKind.CLIENT,
            attributes=attributes,
        )
        self.asked.append(span)
        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier, context=set_span_in_context(span))
        return carrier

    def fail(self, kind: str) -> None:
        """End the span of the side that was asked last, if it came to that: it had no answer."""
        if self.asked:
            span = self.asked.pop()
            _mark_failed(span, kind)
            span.end()

    def end(self, entry: Entry) -> None:
        """End the request's span, and that of the side that has answered."""
        for span in self.asked:
            if entry.input_tokens is not None and not entry.estimated:
                span.set_attribute("gen_ai.usage.input_tokens", entry.input_tokens)
            if entry.output_tokens is not None and not entry.estimated:
                span.set_attribute("gen_ai.usage.output_tokens", entry.output_tokens)
            if entry.outcome != Outcome.ANSWERED.value:
                _mark_failed(span, entry.code or entry.outcome)
            span.end()
        self.request.set_attributes({**_decided(entry), "vibe_router.outcome": entry.outcome})
        if entry.side is not None:
            self.request.set_attribute("vibe_router.side", entry.side)
        if entry.status is not None:
            self.request.set_attribute("http.response.status_code", entry.status)
        if entry.outcome in (Outcome.FAILED.value, Outcome.BROKEN.value):
            _mark_failed(self.request, entry.code or entry.outcome)
        self.request.end()


class Tracing:
    """Makes the spans of requests, and hands them to the provider's exporter."""

    def __init__(self, provider: TracerProvider) -> None:
        """Trace with an open provider; `close` shuts it down."""
        self._provider = provider
        self._tracer = provider.get_tracer("vibe_router")

    def begin(self, path: str, headers: Mapping[str, str]) -> RequestSpans:
        """Begin the span of a request, below its client's where the headers name one."""
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carrier = {name.lower(): value for name, value in headers.items()}
        span = self._tracer.start_span(
            f"POST {path}",
            context=TraceContextTextMapPropagator().extract(carrier),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": "POST", "http.route": path},
        )
        return RequestSpans(self._tracer, span)

    def close(self) -> None:
        """Send what waits; blocks for as long as the exporter takes, at most some seconds."""
        self._provider.shutdown()


def open_tracing() -> Tracing:
    """Return spans that go where OpenTelemetry's own variables say, such as OTEL_EXPORTER_OTLP_ENDPOINT.

    Raises:
        MissingExtraError: OpenTelemetry is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise MissingExtraError("tracing", extra="trace", missing=str(error.name)) from error
    # The variables win over the name that is given here.
    resource = Resource.create({SERVICE_NAME: "vibe-router"}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider)


def _decided(entry: Entry) -> dict[str, str | float]:
    told = {
        "vibe_router.id": entry.id,
        "vibe_router.target": entry.target,
        "vibe_router.reason": entry.reason,
        "vibe_router.p_cloud": entry.p_cloud,
        "vibe_router.threshold": entry.threshold,
    }
    return {name: value for name, value in told.items() if value is not None}


def _mark_failed(span: Span, kind: str) -> None:
    from opentelemetry.trace import Status, StatusCode

    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR))
