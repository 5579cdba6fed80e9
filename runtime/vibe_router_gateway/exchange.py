"""One request while it is answered: its id, its times, its row in the log, and what the client's headers say of it."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field

from vibe_router.policy import Target
from vibe_router_gateway.asked import Asked
from vibe_router_gateway.log.entry import Entry, Outcome
from vibe_router_gateway.plan import Plan
from vibe_router_gateway.tracing import RequestSpans
from vibe_router_gateway.upstream.faults import UpstreamError

ID_HEADER = "x-request-id"


@dataclass
class Exchange:
    """`started` is on the clock of `time.perf_counter`, in seconds."""

    entry: Entry
    started: float
    asked: Asked | None = None
    plan: Plan | None = None
    faults: list[UpstreamError] = field(default_factory=list)
    upstream_ms: float = 0.0
    """What waiting for the sides took of the time before the first byte."""
    recorded: bool = False
    reserved: tuple[int, float] | None = None
    spans: RequestSpans | None = None

    @classmethod
    def begin(cls, path: str) -> Exchange:
        """Return the exchange of a request that has just come."""
        return cls(Entry(id=new_id(), time=time.time(), path=path), time.perf_counter())

    def note_plan(self, plan: Plan) -> None:
        """Keep what was decided."""
        self.plan = plan
        entry = self.entry
        entry.target, entry.reason = plan.target.value, plan.reason.value
        if plan.scored is not None:
            entry.p_cloud, entry.threshold = plan.scored.p_cloud, plan.scored.threshold
            entry.profile, entry.scored_tokens = plan.scored.profile, plan.scored.tokens
            entry.held_out = plan.scored.held_out
            if self.spans is not None:
                self.spans.note_score(entry)

    def note_first_byte(self, side: Target, status: int) -> None:
        """Keep which side answers; from here on no other can."""
        self.entry.side, self.entry.status = side.value, status
        self.entry.first_byte_ms = self.elapsed_ms()

    def fail_span(self, fault: UpstreamError) -> None:
        """End the span of the side that has just been asked, where there is one."""
        if self.spans is not None:
            self.spans.fail(fault.kind.value)

    def end(self, outcome: Outcome, *, status: int | None = None, code: str | None = None) -> None:
        """Keep how it ended."""
        entry = self.entry
        entry.outcome = outcome.value
        entry.status = entry.status if status is None else status
        entry.code = code
        entry.total_ms = self.elapsed_ms()
        entry.faults = " ".join(f"{fault.side.value}:{fault.kind.value}" for fault in self.faults) or None

    def elapsed_ms(self) -> float:
        """Return the milliseconds since the request came."""
        return (time.perf_counter() - self.started) * 1000

    def headers(self) -> dict[str, str]:
        """Return what the client is told of the decision."""
        entry = self.entry
        told = id_headers(entry.id)
        if entry.reason is not None and entry.target is not None:
            told |= {"x-vibe-target": entry.target, "x-vibe-reason": entry.reason}
        if entry.side is not None:
            told["x-vibe-side"] = entry.side
        if entry.p_cloud is not None:
            told["x-vibe-p-cloud"] = f"{entry.p_cloud:.6f}"
        if entry.threshold is not None:
            told["x-vibe-threshold"] = f"{entry.threshold:.6f}"
        if self.faults:
            told["x-vibe-faults"] = " ".join(f"{fault.side.value}:{fault.kind.value}" for fault in self.faults)
        told["x-vibe-overhead-ms"] = f"{self.elapsed_ms() - self.upstream_ms:.2f}"
        return told


def new_id() -> str:
    """Return an id that no other request has: `req_` and 96 random bits."""
    return "req_" + secrets.token_hex(12)


def id_headers(request_id: str) -> dict[str, str]:
    """Return the headers that tell a client the id of its request, to be quoted and to be judged by feedback."""
    return {ID_HEADER: request_id, "x-vibe-request-id": request_id}
