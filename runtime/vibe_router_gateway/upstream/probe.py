"""`serve --check`: try both sides and say what they are, without a key in any word of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import aiohttp

from vibe_router_gateway.config.settings import Settings, Upstream
from vibe_router_gateway.upstream.call import upstream_headers
from vibe_router_gateway.upstream.listed import read_listed

_SHOWN = 3
_KINDS = {"llamacpp": "llama.cpp", "library": "Ollama", "organization_owner": "LM Studio", "vllm": "vLLM"}
"""What servers write into `owned_by` of their models."""


@dataclass(frozen=True)
class Report:
    """What a side has said."""

    upstream: Upstream
    usable: bool
    state: str
    models: tuple[str, ...] = ()

    def row(self) -> tuple[str, str, str, str, str]:
        """Return the cells of a table: side, url, key, models, state."""
        more = f" and {len(self.models) - _SHOWN} more" if len(self.models) > _SHOWN else ""
        key = "none" if self.upstream.key is None else "set"
        names = ", ".join(self.models[:_SHOWN]) + more
        return self.upstream.side.value, self.upstream.settings.url, key, names, self.state


async def probe(settings: Settings) -> list[Report]:
    """Return a report on each configured side, by its list of models."""
    return list(await asyncio.gather(*(_probe_one(upstream) for upstream in settings.upstreams)))


async def _probe_one(upstream: Upstream) -> Report:
    wait = aiohttp.ClientTimeout(total=max(10.0, upstream.settings.connect_s))
    try:
        async with (
            aiohttp.ClientSession(
                timeout=wait, headers={"Accept-Encoding": "identity"}, auto_decompress=False
            ) as session,
            session.get(
                upstream.settings.url + "/models",
                headers=upstream_headers(upstream, {}),
                params=upstream.settings.query or None,
                allow_redirects=False,
            ) as response,
        ):
            if response.status in (401, 403):
                return Report(upstream, False, f"refuses the key (HTTP {response.status}): set key_env")
            if response.status != 200:
                return Report(upstream, False, f"HTTP {response.status} for /models: is the url right, up to /v1?")
            listed = await read_listed(response)
            models = tuple(item["id"] for item in listed)
            owners = {str(item.get("owned_by")) for item in listed}
    except asyncio.TimeoutError:
        return Report(upstream, False, "does not answer in time")
    except (aiohttp.ClientError, OSError) as error:
        return Report(upstream, False, f"no connection ({type(error).__name__}): is it running?")
    except ValueError:
        return Report(upstream, False, "answers, but not as OpenAI's API does")
    kind = next((name for owner, name in _KINDS.items() if owner in owners), "an OpenAI-compatible server")
    wanted = upstream.settings.model
    if wanted and models and wanted not in models:
        return Report(upstream, True, f"{kind}, but it does not list {wanted}", models)
    if not models and not wanted:
        return Report(upstream, False, f"{kind}, but it lists no model: set model", models)
    return Report(upstream, True, kind, models)
