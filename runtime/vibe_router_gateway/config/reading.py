"""Settings from a TOML file, the environment and options; each of these overrides the one before it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from vibe_router.errors import UsageError
from vibe_router.policy import Target, suggest
from vibe_router_gateway.config.secrets import Secret, checked_secret, read_key
from vibe_router_gateway.config.settings import FAULTS, Settings, SideSettings, Upstream
from vibe_router_gateway.config.tables import read_environment, read_section
from vibe_router_gateway.header_text import is_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SECTIONS = ("server", "router", "device", "cloud", "faults", "budget", "limits", "log", "tracing")
_OTHERS = ("aliases", "embeddings")

Options = Mapping[str, Mapping[str, Any]]
"""Section -> key -> value, as the file would have it."""


def load_settings(
    file: Path | None,
    *,
    options: Options | None = None,
    token: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Return checked settings; `file` None means that there is none.

    Raises:
        UsageError: the file cannot be read or is not TOML; a key, value or combination is wrong; a key's variable is
            not set; or the address is not loopback and there is no token.
    """
    environment = os.environ if environment is None else environment
    tables = _read_file(file)
    settings = Settings(file=file)
    changed: dict[str, Any] = {}
    for section in SECTIONS:
        defaults = getattr(settings, section)
        table = tables.get(section, {})
        if not isinstance(table, dict):
            raise UsageError(f"{section} is not a table", hint=f"write [{section}]")
        given = {
            **table,
            **read_environment(type(defaults), section, environment),
            **(options or {}).get(section, {}),
        }
        changed[section] = read_section(type(defaults), given, section, defaults)
    settings = replace(settings, **changed, **_others(tables))
    _check_sides(settings, options or {})
    settings = replace(
        settings, upstreams=_upstreams(settings, environment), token=_token(settings, token, environment)
    )
    _check(settings)
    return settings


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a server on `host`."""
    # The two that nearly every request names, because parsing an address costs a twentieth of a request.
    if host in ("localhost", "127.0.0.1"):
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _read_file(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        tables: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}", hint="vibe-router serve --init writes one") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file} is not TOML: {error}", hint="vibe-router serve --init writes one") from error
    known = (*SECTIONS, *_OTHERS)
    for name in tables:
        if name not in known:
            raise UsageError(f"{file} has an unknown section {name!r}", hint=suggest(name, known))
    return tables


def _others(tables: dict[str, Any]) -> dict[str, Any]:
    aliases, embeddings = tables.get("aliases", {}), tables.get("embeddings", "device")
    if not isinstance(aliases, dict) or not all(isinstance(value, str) for value in aliases.values()):
        raise UsageError("aliases is not a table of model names", hint='write [aliases] and "gpt-5-mini" = "auto"')
    if embeddings not in [target.value for target in Target]:
        raise UsageError(f"embeddings is {embeddings!r}, not a side", hint='write embeddings = "device" or "cloud"')
    return {"aliases": dict(aliases), "embeddings": embeddings}


def _check_sides(settings: Settings, options: Options) -> None:
    """Check that no option is given for a side that nobody is asked on; a file may keep its settings for later."""
    for side in (target.value for target in Target):
        if options.get(side) and not getattr(settings, side).url:
            names = ", ".join(options[side])
            raise UsageError(f"the {side} has no url, and is given: {names}", hint=f"give --{side} its url too")


def _upstreams(settings: Settings, environment: Mapping[str, str]) -> tuple[Upstream, ...]:
    found = []
    for side, given in ((Target.DEVICE, settings.device), (Target.CLOUD, settings.cloud)):
        if not given.url:
            continue
        _check_url(given, side)
        key = read_key(
            variable=given.key_env, keyring_entry=given.key_keyring, where=side.value, environment=environment
        )
        found.append(Upstream(side=side, settings=replace(given, url=given.url.rstrip("/")), key=key))
    return tuple(found)


def _token(settings: Settings, token: str | None, environment: Mapping[str, str]) -> Secret | None:
    if token is not None:
        # As clients' headers are read: without spaces around it, which a file or a shell may have left.
        found: Secret | None = checked_secret(token.strip(), "server")
    else:
        found = read_key(variable=settings.server.token_env, keyring_entry="", where="server", environment=environment)
    if found is not None and len(found.reveal()) < _SHORTEST_TOKEN:
        raise UsageError("the token is too short", hint=f"give at least {_SHORTEST_TOKEN} characters")
    return found


_SHORTEST_TOKEN = 16


def _check_url(given: SideSettings, side: Target) -> None:
    wrong = UsageError(
        f"{side.value}.url is not the address of an API",
        hint="give it up to /v1, such as http://127.0.0.1:11434/v1; parameters go into query",
    )
    try:
        parts = urlsplit(given.url)
        port = parts.port
    except ValueError:
        # Its words would quote the address, which may hold a password.
        raise wrong from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or port == 0:
        raise wrong
    if parts.username or parts.password:
        raise UsageError(f"{side.value}.url holds a password", hint="name its variable with key_env")


def _check_origin(origin: str) -> None:
    """Check that a browser can send `origin`: it writes no path, no slash at the end, and hosts in small letters."""
    scheme, _, host = origin.partition("://")
    large = scheme.lower() in ("http", "https") and origin != origin.lower()
    if origin != "null" and (not scheme or not host or "/" in host or large):
        raise UsageError(
            f"server.cors_origins: {origin!r} is no origin of a page",
            hint='write each as a browser sends it, such as "http://localhost:3000"',
        )


def _check(settings: Settings) -> None:
    if not settings.upstreams:
        raise UsageError("neither the device nor the cloud has a url", hint="--device http://127.0.0.1:11434/v1")
    if not is_loopback(settings.server.host) and settings.token is None:
        raise UsageError(
            f"{settings.server.host} can be reached from other machines, and there is no token",
            hint="give --token, or token_env in [server]; or listen on 127.0.0.1",
        )
    for origin in settings.server.cors_origins:
        _check_origin(origin)
    for side in (settings.device, settings.cloud):
        for name in (*side.headers, side.key_header):
            if not is_name(name):
                raise UsageError(f"{name!r} is not the name of a header", hint="write letters, digits and hyphens")
    cloud = settings.cloud
    if settings.budget.money and cloud.url and not (cloud.input_price or cloud.output_price):
        raise UsageError(
            "budget.money limits nothing: the cloud has no prices",
            hint="give input_price and output_price in [cloud], or count requests instead",
        )
    if settings.router.fallback not in [target.value for target in Target]:
        raise UsageError("router.fallback is not a side", hint='write "device" or "cloud"')
    for name in ("device_to_cloud", "cloud_to_device"):
        for fault in getattr(settings.faults, name):
            if fault not in FAULTS:
                raise UsageError(f"faults.{name}: no fault {fault!r}", hint=suggest(fault, FAULTS))
