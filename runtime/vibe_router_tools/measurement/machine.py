"""The machine of a measurement."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vibe_router.engines.cpus import available_cpus
from vibe_router.version import __version__

LIBRARIES = ("numpy", "tokenizers", "onnxruntime", "coremltools")
"""What a routed prompt passes through."""
_FLAGS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "asimddp", "i8mm")
_CPU_INFO = Path("/proc/cpuinfo")
# Long enough for a sleepy driver to answer.
_TOOL_SECONDS = 10


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Processor, memory in bytes, accelerators, operating system and library versions.

    `cpus` is how many this process may use; `memory_bytes` is null where the system does not tell.
    """

    cpu: str
    cpus: int
    instruction_sets: tuple[str, ...]
    memory_bytes: int | None
    accelerators: tuple[str, ...]
    system: str
    python: str
    versions: dict[str, str]


def describe_machine(libraries: Iterable[str] = LIBRARIES) -> Machine:
    """Return this machine, with the versions of those of `libraries` that are installed."""
    info = _cpu_info()
    words = info.get("flags", info.get("Features", "")).split()
    return Machine(
        cpu=_cpu(info),
        cpus=available_cpus(),
        instruction_sets=tuple(flag for flag in _FLAGS if flag in words),
        memory_bytes=_memory(),
        accelerators=_accelerators(),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        versions={"vibe-router": __version__, **installed_versions(libraries)},
    )


def installed_versions(libraries: Iterable[str]) -> dict[str, str]:
    """Return the version of each of `libraries` that is installed."""
    versions = {}
    for library in libraries:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _cpu(info: dict[str, str]) -> str:
    if sys.platform == "darwin":
        return _ask("sysctl", "-n", "machdep.cpu.brand_string") or platform.machine()
    name = info.get("model name") or platform.processor() or platform.machine()
    # Virtual machines hide the model's number; family and model still tell the generations apart.
    family, model = info.get("cpu family"), info.get("model")
    return f"{name} (family {family}, model {model})" if family and model else name


def _cpu_info() -> dict[str, str]:
    """Return the first processor's entries of /proc/cpuinfo, where there is one."""
    try:
        text = _CPU_INFO.read_text("utf-8")
    except OSError:
        return {}
    lines = (line.partition(":") for line in text.split("\n\n")[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in lines}


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _accelerators() -> tuple[str, ...]:
    """Return the NVIDIA GPUs; an Apple chip's GPU and Neural Engine are in its name."""
    names = _ask("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    return tuple(names.splitlines())


def _ask(tool: str, *arguments: str) -> str:
    """Return what a system tool prints, or nothing where it is missing or fails."""
    path = shutil.which(tool)
    if path is None:
        return ""
    try:
        finished = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=_TOOL_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return ""
    return finished.stdout.strip() if finished.returncode == 0 else ""
