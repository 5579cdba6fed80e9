"""`router_config.json`: what a checkpoint says beyond its weights - temperature, thresholds, names."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vibe_router.errors import CheckpointError

CONFIG_NAME = "router_config.json"

LABELS = {"device": "LFM2.5-1.2B-Instruct", "cloud": "GPT-5.2"}

CLOUD_RATES: Mapping[str, float] = {
    "max-quality": 1.0,
    "conservative": 0.85,
    "balanced": 0.65,
    "cost-saving": 0.55,
    "aggressive": 0.25,
}
"""The share of prompts that each profile sends to the cloud; its threshold is chosen to come near it."""

DEFAULT_PROFILE = "balanced"


@dataclass(frozen=True, kw_only=True)
class CalibrationRecord:
    """How the temperature was found: ECE on `rows` validation rows over `bins` bins of kind `binning`."""

    ece_before: float
    ece_after: float
    rows: int
    bins: int
    binning: str


@dataclass(frozen=True, kw_only=True)
class RouterConfig:
    """The file's content; `profiles` are thresholds on the raw scale sigmoid(z)."""

    name: str
    temperature: float
    profiles: dict[str, float]
    labels: dict[str, str] = field(default_factory=lambda: dict(LABELS))
    default_profile: str = DEFAULT_PROFILE
    calibration: CalibrationRecord | None = None


def dump_router_config(config: RouterConfig) -> str:
    """Return the file's text."""
    return json.dumps(asdict(config), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def read_profiles(folder: Path) -> dict[str, Any]:
    """Return what `router_config.json` of a checkpoint holds, {} where there is none.

    Raises:
        CheckpointError: it cannot be read, or is no JSON object.
    """
    path = folder / CONFIG_NAME
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}", hint="remove it and calibrate again") from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{path} holds no JSON object", hint="remove it and calibrate again")
    return data


def replace_file(path: Path, content: bytes) -> None:
    """Write a file through a temporary one beside it, so that it is whole at any time."""
    temporary = path.with_name(f".{path.name}.partial")
    temporary.write_bytes(content)
    os.replace(temporary, path)
