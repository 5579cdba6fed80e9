"""What a reload cannot change, because it was opened when the gateway began."""

from __future__ import annotations

from vibe_router.errors import UsageError
from vibe_router_gateway.config.settings import Settings

_OPENED_ONCE = (
    ("server", "host"),
    ("server", "port"),
    ("limits", "idle_s"),
    ("limits", "drain_s"),
    ("log", "enabled"),
    ("log", "path"),
    ("tracing", "enabled"),
)


def check_reloadable(old: Settings, new: Settings) -> None:
    """Check that the new settings can take the place of the old ones while the gateway runs.

    An address is more than a value: loopback needs no token, and the old socket may be open to other machines.

    Raises:
        UsageError: one has changed that only a restart can.
    """
    for section, key in _OPENED_ONCE:
        if getattr(getattr(old, section), key) != getattr(getattr(new, section), key):
            raise UsageError(f"{section}.{key} has changed", hint="restart the gateway; a reload cannot change it")
