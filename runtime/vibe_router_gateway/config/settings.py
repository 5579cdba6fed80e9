"""The gateway's settings as frozen dataclasses; every field has its default and its reason here.

The names of classes' fields are the keys of the TOML file, and VIBE_SECTION_KEY in the environment.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vibe_router.policy import Target
from vibe_router_gateway.config.secrets import Secret

FAULTS = ("connect", "slow", "rate_limited", "server_error", "refused_key", "unknown_model", "malformed", "broken")
"""What can go wrong on a side before its first byte; see `upstream/faults.py`."""


def _limit(least: float, most: float) -> dict[str, Any]:
    return {"least": least, "most": most}


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """Where the gateway listens, and who may use it."""

    host: str = "127.0.0.1"
    port: int = field(default=8484, metadata=_limit(0, 65535))
    token_env: str = ""
    """The variable that holds the token; any address but loopback needs one."""
    cors_origins: tuple[str, ...] = ()
    """Origins of web pages that may call; a page's own origin is always refused unless it is named here."""


@dataclass(frozen=True, kw_only=True)
class RouterSettings:
    """The router that decides requests for the model `auto`."""

    bundle: str = ""
    profile: str = ""
    engine: str = "auto"
    threads: int = field(default=0, metadata=_limit(0, 1024))
    """0: the CPUs that this process may use."""
    timeout_s: float = field(default=0.5, metadata=_limit(0.001, 60))
    """A score takes milliseconds; after this long `fallback` is taken, because the user is waiting."""
    fallback: str = "device"
    """The side where there is no score: the one that costs nothing and tells nobody."""
    allow_cloud: bool = True
    """False keeps every request on the device."""


@dataclass(frozen=True, kw_only=True)
class SideSettings:
    """One upstream as the file describes it; `Upstream` is the checked form with its key."""

    url: str = ""
    model: str = ""
    """Empty: the first model that the upstream lists."""
    models: tuple[str, ...] = ()
    key_env: str = ""
    key_keyring: str = ""
    """SERVICE/USER in the operating system's keychain."""
    key_header: str = "authorization"
    """Azure wants api-key."""
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    tools: bool = True
    vision: bool = False
    audio: bool = False
    context_tokens: int = field(default=0, metadata=_limit(0, 1e9))
    """0: unknown, no limit."""
    connect_s: float = field(default=2.0, metadata=_limit(0.01, 600))
    first_byte_s: float = field(default=30.0, metadata=_limit(0.01, 3600))
    """For the first event of a stream; a local model may have to be read from the disk before it answers."""
    answer_s: float = field(default=300.0, metadata=_limit(0.01, 86400))
    """For an answer that is no stream, which has no first byte before its last."""
    idle_s: float = field(default=60.0, metadata=_limit(0.01, 3600))
    retries: int = field(default=1, metadata=_limit(0, 10))
    """Tries on this side after a failure that passes by itself, where no other side is allowed."""
    input_price: float = field(default=0.0, metadata=_limit(0, 1e6))
    output_price: float = field(default=0.0, metadata=_limit(0, 1e6))
    """Money for a million tokens."""


@dataclass(frozen=True, kw_only=True)
class FaultSettings:
    """When the other side answers instead; only before the first byte, and never against a pin."""

    device_to_cloud: tuple[str, ...] = FAULTS
    cloud_to_device: tuple[str, ...] = FAULTS
    total_s: float = field(default=600.0, metadata=_limit(0.01, 86400))
    """One deadline over all tries, until the first byte."""
    longest_wait_s: float = field(default=5.0, metadata=_limit(0, 600))
    """A Retry-After that is longer is passed on to the client instead of being waited for."""


@dataclass(frozen=True, kw_only=True)
class BudgetSettings:
    """Limits for the cloud on one UTC day; 0 means none."""

    requests: int = field(default=0, metadata=_limit(0, 1e12))
    money: float = field(default=0.0, metadata=_limit(0, 1e12))


@dataclass(frozen=True, kw_only=True)
class LimitSettings:
    """Limits that protect this process."""

    body_bytes: int = field(default=32 * 2**20, metadata=_limit(1024, 2**31))
    """Room for a few images in base64."""
    answer_bytes: int = field(default=64 * 2**20, metadata=_limit(1024, 2**31))
    connections: int = field(default=512, metadata=_limit(1, 100000))
    body_s: float = field(default=30.0, metadata=_limit(0.01, 3600))
    idle_s: float = field(default=75.0, metadata=_limit(0.01, 3600))
    """A connection without a request, or one whose header is not complete, is closed after this long."""
    drain_s: float = field(default=30.0, metadata=_limit(0, 3600))
    """How long open answers may go on once the gateway is told to stop."""


@dataclass(frozen=True, kw_only=True)
class LogSettings:
    """The decision log."""

    enabled: bool = True
    path: str = ""
    """Empty: the user's state folder."""
    log_prompts: bool = False
    keep_prompts_days: float = field(default=30.0, metadata=_limit(0, 36500))
    keep_days: float = field(default=365.0, metadata=_limit(0, 36500))


@dataclass(frozen=True, kw_only=True)
class TracingSettings:
    """OpenTelemetry; the exporter is configured by its own variables (OTEL_EXPORTER_OTLP_ENDPOINT)."""

    enabled: bool = False


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """A side that can be asked."""

    side: Target
    settings: SideSettings
    key: Secret | None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything the gateway is told."""

    server: ServerSettings = ServerSettings()
    router: RouterSettings = RouterSettings()
    device: SideSettings = SideSettings()
    cloud: SideSettings = SideSettings(vision=True, audio=True)
    faults: FaultSettings = FaultSettings()
    budget: BudgetSettings = BudgetSettings()
    limits: LimitSettings = LimitSettings()
    log: LogSettings = LogSettings()
    tracing: TracingSettings = TracingSettings()
    aliases: dict[str, str] = field(default_factory=dict)
    """Model names of clients that cannot be told another, such as "gpt-5-mini" = "auto"."""
    embeddings: str = "device"
    """The side of /v1/embeddings for model names that neither side lists."""
    file: Path | None = None
    token: Secret | None = None
    upstreams: tuple[Upstream, ...] = ()
    """The configured sides, at most one each."""

    def upstream(self, side: Target) -> Upstream | None:
        """Return the side's upstream, None where it is not configured."""
        return next((upstream for upstream in self.upstreams if upstream.side is side), None)
