"""Numbers for Prometheus; the labels are sides, reasons and outcomes, never names of a user's."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from vibe_router_gateway.exchange import Exchange

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_SCORES = tuple(step / 20 for step in range(1, 20))


class Metrics:
    """One registry of its own, so that several gateways fit into one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "vibe_requests",
            "Requests by how they ended",
            ("target", "side", "reason", "outcome"),
            registry=self._registry,
        )
        self._faults = Counter("vibe_faults", "Failed tries", ("side", "kind"), registry=self._registry)
        self._scores = Histogram("vibe_p_cloud", "Scores", buckets=_SCORES, registry=self._registry)
        self._first = Histogram(
            "vibe_first_byte_seconds", "Until the first byte", ("side",), buckets=_SECONDS, registry=self._registry
        )
        self._total = Histogram(
            "vibe_request_seconds", "Until the last byte", ("side",), buckets=_SECONDS, registry=self._registry
        )
        self._overhead = Histogram("vibe_score_seconds", "Routing alone", buckets=_SECONDS, registry=self._registry)
        self._tokens = Counter("vibe_tokens", "Tokens", ("side", "direction"), registry=self._registry)
        self._cost = Counter("vibe_cost", "Money, in the currency of the price table", registry=self._registry)
        self.open = Gauge("vibe_open_requests", "Requests that are being answered", registry=self._registry)
        self.lost = Gauge("vibe_log_lost_rows", "Rows that the log could not write", registry=self._registry)

    def add(self, exchange: Exchange) -> None:
        """Count a request that has ended."""
        entry = exchange.entry
        side = entry.side or "none"
        self._requests.labels(entry.target or "none", side, entry.reason or "none", entry.outcome).inc()
        for fault in exchange.faults:
            self._faults.labels(fault.side.value, fault.kind.value).inc()
        if entry.p_cloud is not None:
            self._scores.observe(entry.p_cloud)
        if entry.score_ms is not None:
            self._overhead.observe(entry.score_ms / 1000)
        if entry.first_byte_ms is not None:
            self._first.labels(side).observe(entry.first_byte_ms / 1000)
        if entry.total_ms is not None:
            self._total.labels(side).observe(entry.total_ms / 1000)
        self._tokens.labels(side, "input").inc(entry.input_tokens or 0)
        self._tokens.labels(side, "output").inc(entry.output_tokens or 0)
        self._cost.inc(entry.cost or 0.0)

    def text(self) -> bytes:
        """Return all numbers in Prometheus' text format."""
        return generate_latest(self._registry)
