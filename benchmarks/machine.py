"""What a measurement was made on."""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path
from typing import Any

from vibe_router.engines.onnx import available_cpus

_LIBRARIES = ("numpy", "onnx", "onnxruntime", "torch", "transformers", "optimum-onnx", "openvino")
_FLAGS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "asimddp", "i8mm")


def machine(*, threads: int) -> dict[str, Any]:
    """Return processor, instruction sets, operating system and library versions as JSON values."""
    info = _cpu_info()
    words = info.get("flags", info.get("Features", "")).split()
    return {
        "cpu": info.get("model name", platform.processor() or platform.machine()),
        "cpus": available_cpus(),
        "threads": threads,
        "instruction_sets": [flag for flag in _FLAGS if flag in words],
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": _versions(),
    }


def _cpu_info() -> dict[str, str]:
    """Return the first processor's entries of /proc/cpuinfo, where there is one."""
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return {}
    lines = (line.partition(":") for line in text.split("\n\n")[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in lines}


def _versions() -> dict[str, str]:
    versions = {}
    for library in _LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
