"""Who may use the gateway: the token, and for browsers the host and the origin."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web

from vibe_router_gateway.config.reading import is_loopback
from vibe_router_gateway.config.settings import Settings
from vibe_router_gateway.problems import ApiError

OPEN_PATHS = ("/", "/healthz")
"""Neither tells anything of requests: the page asks for the token, and health is one word."""

_ALLOWED = "authorization, content-type, x-vibe-allow-cloud"
_EXPOSED = (
    "x-request-id, x-vibe-request-id, x-vibe-target, x-vibe-side, x-vibe-reason, x-vibe-p-cloud, x-vibe-threshold, "
    "x-vibe-faults, x-vibe-overhead-ms, retry-after, x-should-retry"
)


def check_access(request: web.Request, settings: Settings) -> None:
    """Check host, origin and token of a request.

    A page of another site can make a browser send requests to this machine: by its own name for 127.0.0.1 (DNS
    rebinding, so the Host header is checked) or straight (so its Origin is).

    Raises:
        ApiError: 401 or 403.
    """
    # Without a Host header, `request.host` would ask the network for this machine's name.
    given = request.host.lower() if "Host" in request.headers else ""
    host = given.rpartition(":")[0] if given.rpartition(":")[2].isdigit() else given
    if is_loopback(settings.server.host) and not is_loopback(host or "localhost"):
        raise ApiError(403, "the Host header is not this machine", kind="permission_error", code="wrong_host")
    origin = request.headers.get("Origin")
    if origin is not None and not _is_own(origin, request) and origin not in settings.server.cors_origins:
        raise ApiError(
            403,
            "pages of this origin may not call",
            kind="permission_error",
            code="wrong_origin",
            hint="Add it to cors_origins in [server]",
        )
    if settings.token is None or request.path in OPEN_PATHS or request.method == "OPTIONS":
        return
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not settings.token.matches(given.strip()):
        raise ApiError(
            401,
            "the gateway's token is missing or wrong",
            kind="authentication_error",
            code="invalid_api_key",
            hint="Give it as the client's API key",
            may_retry=False,
        )


def cors_headers(request: web.Request, settings: Settings) -> dict[str, str]:
    """Return what lets a page of an allowed origin send its headers and read the answer."""
    origin = request.headers.get("Origin")
    if origin is None or origin not in settings.server.cors_origins:
        return {}
    return {
        "Access-Control-Allow-Origin": origin,
        # OpenAI's own client sends a dozen, which change with its version: what an allowed page asks for is allowed.
        "Access-Control-Allow-Headers": request.headers.get("Access-Control-Request-Headers", _ALLOWED),
        "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
        "Access-Control-Expose-Headers": _EXPOSED,
        "Vary": "Origin",
    }


def _is_own(origin: str, request: web.Request) -> bool:
    try:
        return urlsplit(origin).netloc == request.host
    except ValueError:
        return False
