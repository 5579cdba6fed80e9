"""The machine of a measurement, as JSON values and as a short name."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

from vibe_router_tools.measurement.machine import LIBRARIES, describe_machine

_LIBRARIES = (*LIBRARIES, "onnx", "torch", "transformers", "optimum-onnx", "openvino", "nncf")


def machine(*, threads: int) -> dict[str, Any]:
    """Return processor, instruction sets, operating system and library versions as JSON values."""
    return describe() | {"threads": threads}


def describe() -> dict[str, Any]:
    """Return the same without a number of threads, for measurements that take several."""
    facts = asdict(describe_machine(_LIBRARIES))
    return {key: list(value) if isinstance(value, tuple) else value for key, value in facts.items()}


def slug(facts: dict[str, Any]) -> str:
    """Return a machine's short name for files, such as "amd-epyc-family-25-model-17-2cpus"."""
    return re.sub(r"[^a-z0-9]+", "-", f"{facts['cpu']} {facts['cpus']}cpus".lower()).strip("-")
