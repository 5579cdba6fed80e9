"""`vibe-router doctor`: what this machine has, for bug reports."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import typer

from vibe_router import __version__
from vibe_router.bundle.bundle import bundled_folder, open_bundle
from vibe_router.errors import VibeRouterError
from vibe_router_tools.commands.options import BundleArgument, JsonOption
from vibe_router_tools.console.output import print_json, print_table

_LIBRARIES = (
    "numpy",
    "tokenizers",
    "onnxruntime",
    "onnxruntime-gpu",
    "typer",
    "rich",
    "huggingface_hub",
    "coremltools",
)


def doctor(bundle: BundleArgument = None, as_json: JsonOption = False) -> None:
    """Show versions, execution providers, threads, the bundle and the cache folder of this machine."""
    from vibe_router.engines.cpus import available_cpus
    from vibe_router.engines.native.library import native_problem, supported_instructions
    from vibe_router.engines.onnx.cuda_session import cuda_problem
    from vibe_router.engines.onnx.library import onnxruntime, telemetry_disabled

    problem: VibeRouterError | None = None
    facts: dict[str, Any] = {
        "vibe-router": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {name: _version(name) for name in _LIBRARIES},
        "execution providers": list(onnxruntime.get_available_providers()),
        "onnxruntime telemetry": "off" if telemetry_disabled() else "left on by ORT_DISABLE_TELEMETRY",
        "cuda": cuda_problem() or "available",
        "native engine": native_problem() or ", ".join(one.name for one in supported_instructions()),
        "verify": "SHA-256 of what is used, at every load; Router.load(verify='all' or 'off') checks more or none",
        "threads": available_cpus(),
        "hub cache": str(_hub_cache()),
        "hub offline": os.environ.get("HF_HUB_OFFLINE", ""),
        "bundled default": str(bundled_folder()),
    }
    try:
        opened = open_bundle(bundle)
        opened.check()
        facts["bundle"] = f"{opened.manifest.name} {opened.manifest.version}, all files as the manifest says"
    except VibeRouterError as error:
        problem = error
        facts["bundle"] = error.message
    if as_json:
        print_json(facts)
    else:
        print_table("vibe-router doctor", ("what", "value"), [(key, _show(value)) for key, value in facts.items()])
    if problem is not None:
        raise typer.Exit(problem.exit_code)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _hub_cache() -> Path:
    """Return where huggingface_hub keeps its downloads, without importing it."""
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface"))
    cache = Path(os.environ.get("HF_HUB_CACHE", home / "hub"))
    try:
        return cache.expanduser()
    except RuntimeError:  # "~name" without a home, which huggingface_hub takes as it is
        return cache


def _show(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {item or 'not installed'}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(value)
    return str(value)
