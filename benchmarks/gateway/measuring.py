"""Start the servers of a comparison, and measure them in one run."""

from __future__ import annotations

import asyncio
import shutil
import sys
from contextlib import ExitStack
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.gateway.overhead import Contender, first_bytes, paced, requests_per_second
from benchmarks.gateway.processes import free_port, module, serving
from vibe_router.errors import MissingExtraError

_PATH = "/v1/chat/completions"
_KEY = (("Authorization", "Bearer sk-bench"),)
_AT_ONCE = 16
_SERVERS = ("aiohttp", "starlette", "uvicorn", "httpx2")
_LITELLM = """\
model_list:
  - model_name: upstream
    litellm_params: {{model: openai/upstream, api_base: "{url}/v1", api_key: unused}}
general_settings: {{master_key: sk-bench}}
litellm_settings: {{telemetry: false}}
"""


def measure(servers: ExitStack, folder: Path, *, rounds: int, seconds: float, litellm: bool) -> dict[str, Any]:
    """Return times to first byte, what each server adds to them, and requests a second.

    Raises:
        MissingExtraError: LiteLLM's proxy is asked for and not installed.
        VibeRouterError: a server does not start.
    """
    contenders = _start(servers, folder, litellm=litellm)
    direct = contenders[0]
    latencies = asyncio.run(first_bytes(contenders, rounds=rounds))
    scored = next(one for one in contenders if one.name == "gateway, scored")
    at_100 = asyncio.run(paced(scored, rate=100, seconds=max(5.0, rounds / 40)))
    rates = asyncio.run(requests_per_second(contenders, at_once=_AT_ONCE, seconds=seconds, rounds=3))
    base = latencies[direct.name].median
    return {
        "first_byte_ms": {name: asdict(latency) for name, latency in latencies.items()},
        "added_ms": {name: latency.median - base for name, latency in latencies.items() if name != direct.name},
        "at_100_requests_a_second_ms": asdict(at_100),
        "requests_per_second": rates,
        "at_once": _AT_ONCE,
        "versions": {name: version(name) for name in (*_SERVERS, *(["litellm"] if litellm else []))},
    }


def _start(servers: ExitStack, folder: Path, *, litellm: bool) -> list[Contender]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    servers.enter_context(
        serving(module("benchmarks.gateway.serve_upstream", str(port)), port, log=folder / "upstream.txt")
    )
    contenders = [Contender("direct", url + _PATH, "upstream")]
    for name, script in (("bare aiohttp", "bare_aiohttp"), ("bare starlette, uvicorn, httpx2", "bare_starlette")):
        port = free_port()
        command = module(f"benchmarks.gateway.{script}", str(port), url)
        servers.enter_context(serving(command, port, log=folder / f"{script}.txt"))
        contenders.append(Contender(name, f"http://127.0.0.1:{port}{_PATH}", "upstream"))
    port = free_port()
    sides = ["--device", url + "/v1", "--device-model", "d", "--cloud", url + "/v1", "--cloud-model", "c"]
    command = module("vibe_router_tools", "serve", *sides, "--port", str(port), "--log", str(folder / "log.sqlite3"))
    servers.enter_context(serving(command, port, log=folder / "gateway.txt"))
    for name, model in (("gateway, named", "device"), ("gateway, scored", "auto")):
        contenders.append(Contender(name, f"http://127.0.0.1:{port}{_PATH}", model))
    if litellm:
        contenders.append(_litellm(servers, folder, url))
    return contenders


def _litellm(servers: ExitStack, folder: Path, url: str) -> Contender:
    program = shutil.which("litellm", path=str(Path(sys.executable).parent))
    if program is None:
        raise MissingExtraError("the comparison with LiteLLM", extra="peers", missing="litellm[proxy]")
    config = folder / "litellm.yaml"
    config.write_text(_LITELLM.format(url=url))
    port = free_port()
    environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "NO_PROXY": "*"}
    command = [program, "--config", str(config), "--port", str(port), "--host", "127.0.0.1"]
    servers.enter_context(serving(command, port, log=folder / "litellm.txt", environment=environment))
    return Contender("LiteLLM proxy", f"http://127.0.0.1:{port}{_PATH}", "upstream", _KEY)
