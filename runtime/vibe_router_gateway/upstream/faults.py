"""What can go wrong on a side before its first byte reaches the client, and what the client is told in the end."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from enum import Enum

from vibe_router.policy import Target
from vibe_router_gateway.problems import ApiError

_PASSING_STATUSES = (408, 409, 425, 429)
_LONGEST_REST_S = 86400.0
"""A side that asks to be left alone for longer, such as until the year 9999, is asked again after a day."""


class FaultKind(str, Enum):
    """The kinds that [faults] in the settings names."""

    CONNECT = "connect"
    """No connection: refused, no network, no such name, or a certificate that is wrong."""
    SLOW = "slow"
    """No first byte, or no whole answer, in the time allowed."""
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    REFUSED_KEY = "refused_key"
    UNKNOWN_MODEL = "unknown_model"
    MALFORMED = "malformed"
    """An answer that is no JSON, no event, or larger than allowed."""
    BROKEN = "broken"
    """The connection ended before the answer did."""


class UpstreamError(Exception):
    """One failed try; it never holds text of the request or of the answer."""

    def __init__(
        self, kind: FaultKind, side: Target, *, status: int | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(f"{side.value}: {kind.value}")
        self.kind = kind
        self.side = side
        self.status = status
        self.retry_after_s = retry_after_s

    @property
    def passes(self) -> bool:
        """Whether the same side may answer when it is asked again; a slow side is not asked for more."""
        return self.kind in (FaultKind.CONNECT, FaultKind.RATE_LIMITED, FaultKind.SERVER_ERROR, FaultKind.BROKEN)


def fault_of_status(status: int, headers: Mapping[str, str], side: Target) -> UpstreamError | None:
    """Return the fault of an upstream's status; None where the client is to see the answer as it is.

    400, 413, 422 and the like are the client's: another side would be asked with the same mistake.
    """
    retry_after = read_retry_after(headers)
    if status in _PASSING_STATUSES or (status == 503 and retry_after is not None):
        return UpstreamError(FaultKind.RATE_LIMITED, side, status=status, retry_after_s=retry_after)
    if status >= 500:
        return UpstreamError(FaultKind.SERVER_ERROR, side, status=status, retry_after_s=retry_after)
    if status in (401, 402, 403):
        return UpstreamError(FaultKind.REFUSED_KEY, side, status=status)
    if status == 404:
        return UpstreamError(FaultKind.UNKNOWN_MODEL, side, status=status)
    return None


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of Retry-After-Ms or Retry-After (seconds or a date), None where there are none.

    They are finite, and at most a day.
    """
    wait = _asked_wait(headers)
    return None if wait is None or math.isnan(wait) else min(max(0.0, wait), _LONGEST_REST_S)


def _asked_wait(headers: Mapping[str, str]) -> float | None:
    try:
        if (milliseconds := headers.get("retry-after-ms")) is not None:
            return float(milliseconds) / 1000
        value = headers.get("retry-after")
        if value is None:
            return None
        if value.strip().replace(".", "", 1).isdigit():
            return float(value)
        return parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return None


def error_of_faults(faults: list[UpstreamError]) -> ApiError:
    """Return what the client is told when no side has answered; the last fault gives the status."""
    last = faults[-1]
    told = "; ".join(f"{fault.side.value}: {_WORDS[fault.kind]}" for fault in faults)
    waits = [fault.retry_after_s for fault in faults if fault.retry_after_s is not None]
    if last.kind is FaultKind.RATE_LIMITED:
        return ApiError(
            429,
            told,
            kind="rate_limit_error",
            code="rate_limited",
            retry_after_s=min(waits, default=1.0),
            may_retry=True,
        )
    if last.kind is FaultKind.SLOW:
        # The side may still compute, and charge for, an answer that nobody receives.
        return ApiError(504, told, kind="server_error", code="upstream_slow", may_retry=False)
    return ApiError(
        502,
        told,
        kind="server_error",
        code=f"upstream_{last.kind.value}",
        retry_after_s=min(waits, default=None),
        may_retry=last.passes,
        hint=_HINTS.get(last.kind, ""),
    )


_WORDS = {
    FaultKind.CONNECT: "no connection",
    FaultKind.SLOW: "no answer in time",
    FaultKind.RATE_LIMITED: "too many requests",
    FaultKind.SERVER_ERROR: "an error of the server",
    FaultKind.REFUSED_KEY: "the gateway's key is missing or not accepted",
    FaultKind.UNKNOWN_MODEL: "no such model or path",
    FaultKind.MALFORMED: "an answer that is not in OpenAI's format",
    FaultKind.BROKEN: "the connection ended before the answer",
}
_HINTS = {
    FaultKind.CONNECT: "Is the server running? vibe-router serve --check tries both sides",
    FaultKind.REFUSED_KEY: "Set key_env for this side in the gateway's settings",
    FaultKind.UNKNOWN_MODEL: "Set model and url for this side in the gateway's settings",
}
